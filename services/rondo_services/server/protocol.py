"""uvicorn's HTTP/1.1 protocol, with an answer of its own where there is no place, and for what goes the short way.

The application is not asked: there is no task and no framework. Only plain requests are refused here, and only plain
ones go the short way (`short_way.py`); the others go the usual way and meet the door (`door.py`) there. Nobody's key is
looked at before a refusal: under overload it must cost little, and it tells nothing.
"""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from ..engine.port import PlaceKeeper
from ..errors import Overloaded
from .access.gate import CALLER
from .access_log import log_request
from .door import PLACES, Places
from .gathering import GatheringTransport
from .headers import request_id
from .metrics import ServerMetrics
from .refusal import body_may_be_dropped, refusal_bytes
from .shapes import ErrorShapes
from .short_way import ShortWay
from .telemetry import Exchange, Telemetry
from .visits import Visit


def refusing_protocol(
    engine: PlaceKeeper,
    metrics: ServerMetrics,
    services: Mapping[str, str],
    shapes: ErrorShapes,
    telemetry: Telemetry | None = None,
    short_way: ShortWay | None = None,
    *,
    cors: bool = False,
    logged: bool = False,
) -> type[HttpToolsProtocol]:
    """The protocol for an app over an engine.

    Args:
        services: names by the paths to which requests for the engine are posted; those with parameters are the door's.
        short_way: for what may go it; None: all goes the usual way.
        cors: whether pages of other sites may ask; they could not read these refusals, so the app refuses theirs.
        logged: whether refusals are in the access log.
    """
    counters = {path.encode(): metrics.http.labels(path, "429") for path in services}
    own_shapes = {path.encode(): shapes.of(path) for path in services}
    refused = cast("RequestResponseCycle", SimpleNamespace(response_complete=True, message_event=asyncio.Event()))

    class RefusingProtocol(HttpToolsProtocol):
        """`refused` stands for a request that has been answered; uvicorn drops the body of such a one."""

        _places: Places | None = None
        """Of the request whose head has come, until its body has."""

        _visit: Visit | None = None
        """The request on the short way, until it has its reply."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(cast("asyncio.Transport", GatheringTransport(transport, self.loop)))

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._places is not None:
                self._places.give_back()  # the rest of the body may be long in coming
                self._places = None

        def on_headers_complete(self) -> None:
            if self.url not in counters or not self._is_plain():
                super().on_headers_complete()
                return
            places = Places(engine)
            try:
                places.keep(1)
            except Overloaded as error:
                counters[self.url].inc()
                self.cycle = refused
                own_id = request_id(self.headers)
                shape, own_headers = own_shapes[self.url], self.server_state.default_headers
                self.transport.write(refusal_bytes(error.retry_after_s, shape, own_headers, own_id))
                path = self.url.decode()
                if logged:
                    log_request("POST", path, 429, places.came_at, 0, own_id)
                if telemetry is not None:
                    own = (self.headers, 429, own_id.decode(), places.came_at)
                    telemetry.record(Exchange("POST", path, services[path], *own))
                return
            self._places = self.scope["state"][PLACES] = places
            if short_way is not None:
                self._visit = short_way.visit(self.url.decode(), self.headers, places, self)
            if self._visit is None:
                self._go_the_usual_way(places)
            else:
                self.cycle = cast("RequestResponseCycle", self._visit)

        def _go_the_usual_way(self, places: Places) -> None:
            super().on_headers_complete()
            self.loop.call_soon(places.give_back_unclaimed)  # after the first turn of the task that was made just now

        def on_body(self, body: bytes) -> None:
            if (visit := self._coming_visit()) is not None:
                visit.body += body
            else:
                super().on_body(body)

        def on_message_complete(self) -> None:
            self._places = None
            if self.cycle is refused:
                self.on_response_complete()
            elif (visit := self._coming_visit()) is None:
                super().on_message_complete()
            elif not visit.begin():
                self._leave_the_short_way(visit)
                super().on_message_complete()

        def _coming_visit(self) -> Visit | None:
            """What comes now, if it is on the short way; not if it waits behind a visit."""
            return self._visit if cast("object", self.cycle) is self._visit else None

        def _leave_the_short_way(self, visit: Visit) -> None:
            """Have the application answer a request of which the body, or some of it, has come."""
            self._visit = None
            self.cycle = refused  # it is none of the usual way's, and nothing waits for it
            self.scope["state"][CALLER] = visit.caller
            self._go_the_usual_way(visit.places)
            self.cycle.keep_alive = self.cycle.keep_alive and visit.keep_alive
            super().on_body(visit.body)

        def _end_the_visit(self) -> None:
            """The client has gone, or is told to go."""
            if self._visit is not None and self._visit.has_begun:
                self._visit.leave()
            elif self._visit is not None:
                self._leave_the_short_way(self._visit)  # there it is known what to make of half a body

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._visit is not None:
                self._visit.may_write()

        def connection_lost(self, exc: Exception | None) -> None:
            self._end_the_visit()
            super().connection_lost(exc)
            self.cycle = refused  # what it was may know of this connection

        def on_response_complete(self) -> None:
            self._visit = None
            super().on_response_complete()

        def send_400_response(self, msg: str) -> None:
            """Close a connection on which something came that is no HTTP; what is being answered there hears of it."""
            super().send_400_response(msg)
            self._end_the_visit()
            if self.cycle is not None and self.cycle is not refused:
                self.cycle.disconnected = True  # else its reply would be written to a closed transport
                self.cycle.message_event.set()

        def _is_plain(self) -> bool:
            """Whether a reply may be written now, and the body be dropped."""
            return (
                self.parser.get_method() == b"POST"
                and (self.cycle is None or self.cycle.response_complete)
                and not self.flow.write_paused
                and not (cors and any(name == b"origin" for name, _ in self.headers))
                and body_may_be_dropped(self.parser.get_http_version(), self.headers)
            )

    return RefusingProtocol

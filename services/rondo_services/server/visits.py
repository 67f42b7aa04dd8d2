"""One request on the short way (`short_way.py`), from its head to the last byte of its reply."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from functools import partial
from types import SimpleNamespace
from typing import Any, Protocol

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from ..access.control import Caller, request_caller
from ..engine.requests import Ticket
from ..errors import Cancelled, MalformedBody, Overloaded, RondoError
from ..mailbox import mailbox
from ..releases.binding import Binding, request_binding
from ..timing import RequestTimes, request_times
from .access.gate import limit_headers
from .access_log import log_request, name_of
from .binder import HEADER as BUNDLE_HEADER
from .browsers import POLICY
from .bundle_metrics import BundleMetrics
from .door import Places, Turnstile, request_places
from .errors import INTERNAL_FAILURE, failure_of
from .headers import reply_headers, request_id
from .json_limits import check_json
from .metrics import ServerMetrics
from .settings import ServerSettings
from .shapes import ErrorShapes, Failure, failure_reply
from .shortcuts import PlainShortcut, Plan, Shortcut

logger = logging.getLogger("rondo")

JSON = b"application/json"
_NO_CYCLE_WAITS = SimpleNamespace(set=lambda: None)

RawHeaders = list[tuple[bytes, bytes]]


class Connection(Protocol):
    """What is needed of uvicorn's protocol."""

    transport: Any
    flow: FlowControl
    server_state: ServerState

    def on_response_complete(self) -> None:
        """The connection takes the next request."""


class Way(Protocol):
    """What all visits have in common.

    Attributes:
        shapes: in which failures are told.
        way_in, way_out: through which they go a few at a time.
    """

    settings: ServerSettings
    metrics: ServerMetrics
    bundle_metrics: BundleMetrics
    shapes: ErrorShapes
    way_in: Turnstile
    way_out: Turnstile


class Visit(ABC):
    """One request on the short way. uvicorn's protocol takes it for the cycle of request and reply that it knows.

    Attributes:
        body: what has come of it.
        caller: who asks, where keys are asked for.
        places: that are kept for it.
        keep_alive, response_complete, disconnected, message_event: as uvicorn has them.
    """

    def __init__(
        self,
        way: Way,
        path: str,
        shortcut: Shortcut,
        headers: RawHeaders,
        places: Places,
        caller: Caller | None,
        connection: Connection,
    ) -> None:
        self.body = b""
        self.caller = caller
        self.keep_alive = True
        self.response_complete = False
        self.disconnected = False
        self.message_event = _NO_CYCLE_WAITS
        self._way = way
        self._path = path
        self._shortcut = shortcut
        self._headers = headers
        self.places = places
        self._connection = connection
        self._own_id = request_id(headers)
        self._times = RequestTimes()
        self._request: Any = None
        self._has_begun = False
        self._tickets: Sequence[Ticket] = ()
        self._has_place_since = 0.0
        asked = next((value for name, value in headers if name == BUNDLE_HEADER), None)
        self._binding = Binding(None if asked is None else asked.decode("latin-1"), self._own_id)
        self._context: Context = copy_context()
        self._context.run(self._introduce)

    def _introduce(self) -> None:
        """So that whatever is called for this request knows of it."""
        request_times.set(self._times)
        request_caller.set(self.caller)
        request_binding.set(self._binding)
        request_places.set(self.places)

    @property
    def has_begun(self) -> bool:
        """Whether its body has come, and it goes on this way."""
        return self._has_begun

    def begin(self) -> bool:
        """The body is there; False if the request has to go the usual way, and nothing has been done for it yet."""
        settings = self._way.settings
        try:
            check_json(self.body, settings.max_json_depth, settings.max_json_values)
        except MalformedBody:
            return False
        self._request = self._shortcut.read(self.body)
        if self._request is None:
            return False
        self._has_begun = True
        try:
            self._context.run(self.places.claim)
        except Overloaded as error:
            self._fail(error)
            return True
        self._has_place_since = time.monotonic()
        self._way.way_in.let_through(partial(self._go_on, self._submit))
        return True

    def leave(self) -> None:
        """The client has gone away."""
        self.disconnected = True
        if not self.response_complete:
            self._fail(Cancelled("the client went away"))

    @abstractmethod
    def may_write(self) -> None:
        """The client has taken what was sent."""

    def _go_on(self, step: Callable[[], None]) -> bool:
        """Do what comes next, unless the client has left meanwhile."""
        if self.response_complete:
            return False
        try:
            self._context.run(step)
        except RondoError as error:
            self._fail(error)
        except Exception:
            logger.exception("a request could not be answered")
            if not self.response_complete:
                self._break()
        return True

    def _submit(self) -> None:
        self.places.waited_s = time.monotonic() - self._has_place_since
        plan = self._shortcut.plan(self._request, self._headers)
        self.places.give_back()
        self._ask(plan)

    @abstractmethod
    def _ask(self, plan: Plan) -> None:
        """Have the engine do it, and reply once it has."""

    def _fail(self, error: RondoError) -> None:
        self._tell(failure_of(error))

    def _break(self) -> None:
        self._tell(INTERNAL_FAILURE)

    def _tell(self, failure: Failure) -> None:
        reply = failure_reply(failure, self._way.shapes.of(self._path))
        self._end(reply.status_code, list(reply.raw_headers), bytes(reply.body))

    def _end(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """Send the reply, and take it down."""
        if self.caller is not None:
            self.caller.is_told(status)
        self._send(status, self._with_own(headers), body)
        self._way.metrics.replied(self._path, status)
        if self._times.inference_s:
            self._way.metrics.answered(self._path, self._times, time.monotonic() - self.places.came_at)
        self._count_for_release(status)
        self._clean_up(status, len(body))

    def _with_own(self, headers: RawHeaders) -> RawHeaders:
        """Headers with those that all replies on this way have besides."""
        if self._binding.release is not None:
            headers.append((BUNDLE_HEADER, self._binding.release.label.encode()))
        if self.caller is not None and (standings := self.caller.standings()):
            headers += limit_headers(standings)
        headers.append(POLICY)
        return headers + reply_headers(self._own_id, self.places.came_at, self._times)

    def _count_for_release(self, status: int) -> None:
        if self._binding.release is not None:
            total_s = time.monotonic() - self.places.came_at
            self._way.bundle_metrics.answered(self._binding.release, status, total_s)

    def _send(self, status: int, headers: RawHeaders, body: bytes) -> None:
        self.response_complete = True
        self._write(self._head(status, headers) + body)
        self._close_if_told()

    def _head(self, status: int, headers: RawHeaders, *, chunked: bool = False) -> bytes:
        """What comes before a body."""
        fields = [*self._connection.server_state.default_headers, *headers]
        if not self.keep_alive:
            fields.append((b"connection", b"close"))
        if chunked:
            fields.append((b"transfer-encoding", b"chunked"))
        return b"%b%b\r\n" % (STATUS_LINE[status], b"".join([b"%b: %b\r\n" % field for field in fields]))

    def _write(self, content: bytes) -> None:
        """Send a part of the reply, if the client is still there."""
        if not self.disconnected:
            self._connection.transport.write(content)

    def _close_if_told(self) -> None:
        if not self.keep_alive and not self.disconnected:
            self._connection.transport.close()

    def _clean_up(self, status: int, num_bytes: int) -> None:
        for ticket in self._tickets:
            if not ticket.future.done():
                ticket.cancel()
        self._tickets = ()  # they know of this visit, and would keep it
        self._request = None  # the connection keeps the visit until its next request
        self.body = b""
        self.places.give_back()
        self._binding.end()
        if self._way.settings.access_log != "off":
            came_at, who = self.places.came_at, name_of(self.caller)
            log_request("POST", self._path, status, came_at, num_bytes, self._own_id, who)
        self._connection.on_response_complete()


class PlainVisit(Visit):
    """A request whose reply is sent as a whole."""

    _shortcut: PlainShortcut

    def __init__(self, *own: Any) -> None:
        super().__init__(*own)
        self._plan: Plan | None = None
        self._num_open = 0

    def may_write(self) -> None:
        """Nothing waits for that: its reply is sent at once."""

    def _ask(self, plan: Plan) -> None:
        self._plan, terms = plan, plan.terms
        self._tickets = plan.suite.engine.submit_all(plan.works, deadline=terms.deadline, priority=terms.priority)
        self._num_open = len(self._tickets)
        post = mailbox().post
        for ticket in self._tickets:
            ticket.future.add_done_callback(lambda future: post(partial(self._ended, future.exception())))

    def _ended(self, error: BaseException | None) -> None:
        """One of its texts has."""
        if self.response_complete:
            return
        self._num_open -= 1
        if error is not None:
            self._go_on(partial(_raise, error))
        elif not self._num_open:
            self._way.way_out.let_through(partial(self._go_on, self._answer))

    def _answer(self) -> None:
        assert self._plan is not None
        self._times.add(self._tickets)
        self._times.queue_s += self.places.waited_s
        answers = [ticket.future.result() for ticket in self._tickets]
        body = self._shortcut.reply(self._request, self._plan, answers)
        self._end(200, [(b"content-length", b"%d" % len(body)), (b"content-type", JSON)], body)

    def _clean_up(self, status: int, num_bytes: int) -> None:
        self._plan = None
        super()._clean_up(status, num_bytes)


def _raise(error: BaseException) -> None:
    raise error

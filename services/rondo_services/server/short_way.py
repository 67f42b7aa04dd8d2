"""Answers plain requests without the framework: no task, no messages, no layers of middleware.

Whether a request goes this way is settled before anything is done for it: by its head, and by its body, of which a
`Shortcut` must know what to make. Whatever else comes, above all every body that is wrong, goes the usual way as if
this one were not there. Both ways make the same replies, to the byte, and count and refuse the same: what
`CountReplies`, `ReplyHeaders`, `ContentPolicy`, `BodyLimit`, `KeyGate`, `Binder`, `Door` and `JsonLimits` do to a
request is done here at once.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context, copy_context
from functools import partial
from types import SimpleNamespace
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from ..access.control import AccessControl, Caller, request_caller
from ..engine.requests import Ticket
from ..errors import Cancelled, LimitReached, MalformedBody, NotAuthenticated, Overloaded, RondoError
from ..mailbox import mailbox
from ..releases.binding import Binding, request_binding
from ..timing import RequestTimes, request_times
from .access.gate import limit_headers
from .access.presented import key_in
from .access_log import log_request, name_of
from .binder import HEADER as BUNDLE_HEADER
from .browsers import POLICY
from .bundle_metrics import BundleMetrics
from .door import Places, Turnstile, request_places
from .errors import INTERNAL_FAILURE, failure_of
from .headers import reply_headers, request_id
from .json_limits import check_json
from .limits import media_type
from .metrics import ServerMetrics, is_of_closed_connection
from .settings import ServerSettings
from .shapes import ErrorShapes, Failure, failure_reply
from .shortcuts import Plan, Shortcut

logger = logging.getLogger("rondo")

_PASS_IN_A_ROUND = 16
"""In each direction, as at the door; each takes some 50 µs."""

_JSON = b"application/json"
_NO_CYCLE_WAITS = SimpleNamespace(set=lambda: None)

RawHeaders = list[tuple[bytes, bytes]]


class Connection(Protocol):
    """What is needed of uvicorn's protocol."""

    transport: Any
    server_state: ServerState

    def on_response_complete(self) -> None:
        """The connection takes the next request."""


class ShortWay:
    """What all requests that go this way have in common.

    Args:
        shortcuts: by path.
        shapes: in which failures are told.
        access: decides who may ask; None: everybody may.
    """

    def __init__(
        self,
        shortcuts: Mapping[str, Shortcut],
        settings: ServerSettings,
        metrics: ServerMetrics,
        bundle_metrics: BundleMetrics,
        shapes: ErrorShapes,
        access: AccessControl | None,
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.bundle_metrics = bundle_metrics
        self.shapes = shapes
        self.way_in, self.way_out = Turnstile(_PASS_IN_A_ROUND), Turnstile(_PASS_IN_A_ROUND)
        self._shortcuts = shortcuts
        self._access = access

    def visit(self, path: str, headers: RawHeaders, places: Places, connection: Connection) -> "Visit | None":
        """Take a request whose head has come and that has a place; None if it has to go the usual way.

        If keys are asked for, it has a valid one, and counts as one of that key's.
        """
        shortcut = self._shortcuts.get(path)
        if shortcut is None or not self._is_plain(headers):
            return None
        caller = None
        if self._access is not None:
            caller = Caller(self._access)
            try:
                caller.identify(key_in(headers))
            except (NotAuthenticated, LimitReached):
                return None
        return Visit(self, path, shortcut, headers, places, caller, connection)

    def _is_plain(self, headers: RawHeaders) -> bool:
        """Whether JSON is said to come, and not too much of it."""
        kinds = []
        for name, value in headers:
            if name == b"content-type":
                kinds.append(media_type(value))
            elif name == b"content-length":
                if int(value) > self.settings.max_body_bytes:
                    return False
            elif name == b"inference-header-content-length":
                return False
        return kinds == [_JSON]


class Visit:
    """One request on the short way. uvicorn's protocol takes it for the cycle of request and reply that it knows.

    Attributes:
        body: what has come of it.
        caller: who asks, where keys are asked for.
        places: that are kept for it.
        keep_alive, response_complete, disconnected, message_event: as uvicorn has them.
    """

    def __init__(
        self,
        way: ShortWay,
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
        self._plan: Plan | None = None
        self._tickets: Sequence[Ticket] = ()
        self._num_open = 0
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
        return self._request is not None

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
        plan = self._plan = self._shortcut.plan(self._request, self._headers)
        self.places.give_back()
        terms = plan.terms
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
        self._end(200, [(b"content-length", b"%d" % len(body)), (b"content-type", _JSON)], body)

    def _fail(self, error: RondoError) -> None:
        self._tell(failure_of(error), self._end)

    def _break(self) -> None:
        self._tell(INTERNAL_FAILURE, self._send)
        self._clean_up(500, 0)

    def _tell(self, failure: Failure, end: Callable[[int, RawHeaders, bytes], None]) -> None:
        reply = failure_reply(failure, self._way.shapes.of(self._path))
        end(reply.status_code, list(reply.raw_headers), bytes(reply.body))

    def _end(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """Send the reply, and take it down."""
        way, release, times = self._way, self._binding.release, self._times
        if release is not None:
            headers.append((BUNDLE_HEADER, release.label.encode()))
        if self.caller is not None and (standings := self.caller.standings()):
            headers += limit_headers(standings)
        headers.append(POLICY)
        headers += reply_headers(self._own_id, self.places.came_at, times)
        self._send(status, headers, body)
        total_s = time.monotonic() - self.places.came_at
        way.metrics.replied(self._path, status)
        if times.inference_s:
            way.metrics.answered(self._path, times, total_s)
        if release is not None:
            way.bundle_metrics.answered(release, status, total_s)
        self._clean_up(status, len(body))

    def _send(self, status: int, headers: RawHeaders, body: bytes) -> None:
        self.response_complete = True
        transport = self._connection.transport
        if self.disconnected or transport.is_closing():
            return
        fields = [*self._connection.server_state.default_headers, *headers]
        if not self.keep_alive:
            fields.append((b"connection", b"close"))
        head = b"".join([b"%b: %b\r\n" % field for field in fields])
        try:
            transport.write(b"%b%b\r\n%b" % (STATUS_LINE[status], head, body))
        except RuntimeError as error:
            if not is_of_closed_connection(error):
                raise
        if not self.keep_alive:
            transport.close()

    def _clean_up(self, status: int, num_bytes: int) -> None:
        for ticket in self._tickets:
            if not ticket.future.done():
                ticket.cancel()
        self._tickets = ()  # they know of this visit, and would keep it
        self._request = self._plan = None  # the connection keeps the visit until its next request
        self.body = b""
        self.places.give_back()
        self._binding.end()
        if self._way.settings.access_log != "off":
            came_at, who = self.places.came_at, name_of(self.caller)
            log_request("POST", self._path, status, came_at, num_bytes, self._own_id, who)
        self._connection.on_response_complete()


def _raise(error: BaseException) -> None:
    raise error

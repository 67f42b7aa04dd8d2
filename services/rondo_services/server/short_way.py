"""Answers plain requests without the framework: no task, no messages, no layers of middleware.

Whether a request goes this way is settled before anything is done for it: by its head, and by its body, of which a
`Shortcut` must know what to make. Whatever else comes, above all every body that is wrong, goes the usual way as if
this one were not there. Both ways make the same replies, to the byte, and count and refuse the same: what
`CountReplies`, `ReplyHeaders`, `ContentPolicy`, `BodyLimit`, `KeyGate`, `Binder`, `Door`, `JsonLimits` and `Faults` do
to a request is done here at once.
"""

from ..access.control import AccessControl, Caller
from ..errors import LimitReached, NotAuthenticated
from .access.presented import key_in
from .bundle_metrics import BundleMetrics
from .door import Places, Turnstile
from .limits import media_type
from .metrics import ServerMetrics
from .settings import ServerSettings
from .shapes import ErrorShapes
from .shortcuts import Shortcuts
from .stream_visits import StreamVisit
from .visits import JSON, Connection, PlainVisit, RawHeaders, Visit

_PASS_IN_A_ROUND = 16
"""In each direction, as at the door; each takes some 50 µs."""


class ShortWay:
    """What all requests that go this way have in common.

    Args:
        shortcuts: of what may go it.
        shapes: in which failures are told.
        access: decides who may ask; None: everybody may.
    """

    def __init__(
        self,
        shortcuts: Shortcuts,
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

    def visit(self, path: str, headers: RawHeaders, places: Places, connection: Connection) -> Visit | None:
        """Take a request whose head has come and that has a place; None if it has to go the usual way.

        If keys are asked for, it has a valid one, and counts as one of that key's.
        """
        plain, stream = self._shortcuts.plain.get(path), self._shortcuts.streams.get(path)
        if (plain is None and stream is None) or not self._is_plain(headers):
            return None
        caller = None
        if self._access is not None:
            caller = Caller(self._access)
            try:
                caller.identify(key_in(headers))
            except (NotAuthenticated, LimitReached):
                return None
        if stream is not None:
            return StreamVisit(self, path, stream, headers, places, caller, connection)
        return PlainVisit(self, path, plain, headers, places, caller, connection)

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
        return kinds == [JSON]

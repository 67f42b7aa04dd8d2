"""Which release answers a request: known from its head or only from its body, and then the same until its end."""

from contextvars import ContextVar

from .release import Release


class Binding:
    """Of one request, which counts as in hand from when its release is known until its end.

    Attributes:
        asked: the release that the request's head names; None: any.
        request_id: by which a canary's share is drawn.
        release: that answers it, once that is known.
    """

    __slots__ = ("asked", "release", "request_id")

    def __init__(self, asked: str | None = None, request_id: bytes = b"") -> None:
        self.asked = asked
        self.request_id = request_id
        self.release: Release | None = None

    def to(self, release: Release) -> None:
        """Have this release answer."""
        if release is not self.release:
            self.end()
            release.hold()
            self.release = release

    def end(self) -> None:
        """The request has ended."""
        if self.release is not None:
            self.release.let_go()
            self.release = None


request_binding: ContextVar[Binding | None] = ContextVar("request_binding", default=None)
"""Of the request that is being answered; None where nobody counts them."""

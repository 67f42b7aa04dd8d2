"""ASGI middleware that counts a request as its release's, from when that is known to the end, and tells which it was.

X-Rondo-Bundle    in a request: NAME or NAME@HASH, what is to answer; in a reply: NAME@HASH, what answered
"""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..languages import only_known
from ..releases.binding import Binding, request_binding
from ..releases.fleet import Fleet
from .bundle_metrics import BundleMetrics
from .headers import REQUEST_ID

HEADER = b"x-rondo-bundle"


class Binder:
    """In front of the door, as that keeps places with the release that answers."""

    def __init__(self, app: ASGIApp, fleet: Fleet, metrics: BundleMetrics) -> None:
        self.app = app
        self._fleet = fleet
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        began, status = time.monotonic(), 0
        asked = next((value for name, value in scope["headers"] if name == HEADER), None)
        binding = Binding(
            None if asked is None else asked.decode("latin-1"), scope.get("state", {}).get(REQUEST_ID, b"")
        )
        request_binding.set(binding)

        async def send_with_bundle(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if binding.release is not None:
                    message["headers"] = [*message.get("headers", ()), (HEADER, binding.release.label.encode())]
            await send(message)

        try:
            with only_known(self._fleet.languages):
                await self.app(scope, receive, send_with_bundle)
        finally:
            if binding.release is not None:
                if status:
                    self._metrics.answered(binding.release, status, time.monotonic() - began)
                binding.end()

"""Tells of faults of ours within all layers, so that what these put on a reply and count is there, too."""

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import INTERNAL_FAILURE
from .limits import BodyTooLarge
from .shapes import ErrorShapes, failure_reply

logger = logging.getLogger("rondo")


class Faults:
    """ASGI middleware, the innermost: an exception that nobody foresaw is logged and answered.

    Once a reply has begun it can only break off, which is left to the server.
    """

    def __init__(self, app: ASGIApp, shapes: ErrorShapes) -> None:
        self.app = app
        self._shapes = shapes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        has_begun = False

        async def noted_send(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self.app(scope, receive, noted_send)
        except BodyTooLarge:  # which the layer that has the limit answers
            raise
        except Exception:
            if has_begun:
                raise
            logger.exception("a request could not be answered")
            await failure_reply(INTERNAL_FAILURE, self._shapes.of(scope["path"]))(scope, receive, send)

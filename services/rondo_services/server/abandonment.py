"""Gives up the work for a client that has gone away."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from ..errors import Cancelled

T = TypeVar("T")


async def while_connected(request: Request, answer: Coroutine[Any, Any, T]) -> T:
    """The answer, cancelled if the client closes the connection before; the request's body has been read.

    Raises:
        Cancelled: the client went away.
    """
    working = asyncio.ensure_future(answer)
    leaving = asyncio.ensure_future(request.receive())  # after the body, only the end of the connection comes
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Cancelled("the client went away")
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()

"""Server-sent events: each a line of data, an error in mid-stream as the protocol tells it, and `[DONE]` at the end."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from ..errors import RondoError
from .errors import failure_of
from .shapes import ErrorShape

EVENTS: dict[str, Any] = {
    "text/event-stream": {
        "schema": {
            "type": "object",
            "description": "Each event.",
            "properties": {"data": {"type": "string"}},
            "required": ["data"],
        }
    }
}
"""The content of a reply that is a stream, as OpenAPI describes it."""


async def event_lines(contents: AsyncGenerator[str, None], shape: ErrorShape) -> AsyncIterator[str]:
    """Lines for a stream of JSON texts; whoever stops listening ends it."""
    try:
        async with aclosing(contents):
            async for content in contents:
                yield f"data: {content}\n\n"
    except RondoError as error:
        _, body = shape(failure_of(error))
        yield f"data: {json.dumps(body)}\n\n"
        return
    yield "data: [DONE]\n\n"

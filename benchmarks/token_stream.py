"""A client of one streamed generation that notes when each piece of the text came."""

import asyncio
import re
import time
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from benchmarks.processes import HOST
from benchmarks.wire import request

_USAGE = re.compile(rb'"completion_tokens":(\d+)')
_EVENTS_OF_THE_END = 2
"""The last piece, with the reason, and the last line; both come with the last token."""


class TokenStream(asyncio.Protocol):
    """One request of `/v1/generate` and its events.

    Attributes:
        sent_at, arrivals: seconds of the performance counter: of the request, and of each event.
        ended: the number of tokens that were written, once the last line has come.
    """

    def __init__(self, content: bytes) -> None:
        self.sent_at = 0.0
        self.arrivals: list[float] = []
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._content = content
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._num_tokens = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.sent_at = time.perf_counter()
        transport.write(self._content)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        events, end, self._rest = (self._rest + data).rpartition(b"\n\n")
        if not self.arrivals and not (events or self._rest).startswith(b"HTTP/1.1 200"):
            self._fail((events or self._rest).decode(errors="replace"))
        if not end or self.ended.done():
            return
        self.arrivals.extend([now] * (events.count(b"\n\n") + 1))
        if (usage := _USAGE.search(events)) is not None:
            self._num_tokens = int(usage[1])
        if events.endswith(b"data: [DONE]"):
            self.ended.set_result(self._num_tokens)
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"the stream broke off after {len(self.arrivals)} events: {error}")

    def _fail(self, message: str) -> None:
        if not self.ended.done():
            self.ended.set_exception(RuntimeError(message))

    def close(self) -> None:
        """Leave, also before the end."""
        self.ended.cancel()
        assert self._transport is not None
        self._transport.close()

    def gaps(self) -> list[float]:
        """Seconds between one token and the next."""
        is_whole = self.ended.done() and not self.ended.cancelled()
        times = self.arrivals[:-_EVENTS_OF_THE_END] if is_whole else self.arrivals
        return [after - before for before, after in pairwise(times)]


async def open_stream(port: int, fields: Mapping[str, Any]) -> TokenStream:
    """Ask for a stream; its events come while others are waited for."""
    content = request(port, "/v1/generate", {**fields, "stream": True})
    _, stream = await asyncio.get_running_loop().create_connection(lambda: TokenStream(content), HOST, port)
    return stream

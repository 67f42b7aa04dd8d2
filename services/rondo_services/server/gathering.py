"""A transport that sends what is written in one round of the event loop at once.

Each sending wakes the client, which costs more than what is sent: so a reply's head and body go together, and so do the
tokens of a stream that have come together.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

_CLOSED = "the handler is closed"
"""uvloop's words when the client has reset the connection and the protocol has not heard of it yet."""

MOST_BYTES = 65_536
"""So many are sent before the round has ended: only what is sent can make a fast writer wait for a slow client."""


class GatheringTransport:
    """Writes to another transport, and is that one in all else.

    What a closed connection does not take any more is let go.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Send `data` at the end of this round."""
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(data)
        self._size += len(data)
        if self._size >= MOST_BYTES:
            self._send()

    def writelines(self, parts: Iterable[bytes]) -> None:
        """As `write`, of several."""
        self.write(b"".join(parts))

    def write_eof(self) -> None:
        """Send what has been written, and say that no more comes."""
        self._send()
        self._transport.write_eof()

    def close(self) -> None:
        """Send what has been written, and close."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if not self._parts:
            return
        parts, self._parts, self._size = self._parts, [], 0
        if self._transport.is_closing():
            return
        try:
            self._transport.write(parts[0] if len(parts) == 1 else b"".join(parts))
        except RuntimeError as error:
            if _CLOSED not in str(error):
                raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

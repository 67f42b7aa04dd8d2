"""A client that sees each byte of HTTP/1.1."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

PATH = "/v1/sentiment"
BODY = b'{"text": "The boat is slow."}'


class Reply:
    """Status, headers (`fields` in their order) and body, with its chunks if it came in some."""

    def __init__(self, head: bytes, body: bytes) -> None:
        status, *lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")
        self.status = int(status.split()[1])
        self.fields = [(name, value) for name, value in (line.split(": ", 1) for line in lines)]
        self.headers = dict(self.fields)
        self.body = body
        self.chunks: list[bytes] = []


class Connection:
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, content: bytes) -> None:
        self._writer.write(content)

    async def reply(self) -> Reply:
        reply = await self.head()
        if "transfer-encoding" not in reply.headers:
            reply.body = await self._reader.readexactly(int(reply.headers["content-length"]))
            return reply
        while chunk := await self.chunk():
            reply.body += chunk
            reply.chunks.append(chunk)
        return reply

    async def chunk(self) -> bytes:
        """The next chunk of a reply; empty at its end."""
        size = int(await asyncio.wait_for(self._reader.readuntil(b"\r\n"), 20), 16)
        return (await asyncio.wait_for(self._reader.readexactly(size + 2), 20))[:-2]

    async def head(self) -> Reply:
        """The beginning of a reply."""
        return Reply(await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 20), b"")

    async def ask(self, *headers: str, body: bytes = BODY, path: str = PATH) -> Reply:
        self.send(request(*headers, body=body, path=path))
        return await self.reply()

    def close(self) -> None:
        self._writer.transport.abort()

    async def is_closed(self) -> bool:
        return await asyncio.wait_for(self._reader.read(), 20) == b""


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):  # the server was faster
            await writer.wait_closed()


def request(*headers: str, body: bytes = BODY, path: str = PATH) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: rondo", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

"""Just enough of HTTP/1.1 for clients that take little from the cores which the server needs."""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

from benchmarks.processes import HOST

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def request(port: int, path: str, fields: Mapping[str, Any]) -> bytes:
    """A whole request with a JSON body."""
    body = json.dumps(fields, ensure_ascii=False).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def length_of_reply(content: bytes) -> int | None:
    """Bytes of the reply that `content` begins with; None while its head is not complete.

    Raises:
        ValueError: the reply has no Content-Length.
    """
    end = content.find(b"\r\n\r\n")
    if end < 0:
        return None
    length = CONTENT_LENGTH.search(content, 0, end)
    if length is None:
        raise ValueError(f"a reply has no Content-Length: {content[:end].decode(errors='replace')}")
    return end + 4 + int(length[1])


def status_of(reply: bytes) -> int:
    """The status of a reply."""
    return int(reply[9:12])


async def ask(port: int, path: str, fields: Mapping[str, Any]) -> bytes:
    """The reply to one request on a connection of its own.

    Raises:
        ConnectionError: the server closed the connection before the reply was complete.
        RuntimeError: the status is not 200.
    """
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(request(port, path, fields))
        reply = b""
        while (length := length_of_reply(reply)) is None or len(reply) < length:
            if not (more := await reader.read(1 << 16)):
                raise ConnectionError(f"{path}: the server closed the connection")
            reply += more
    finally:
        writer.close()
    if status_of(reply) != 200:
        raise RuntimeError(f"{path}: {reply.decode(errors='replace')}")
    return reply

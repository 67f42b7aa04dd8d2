"""A client that does not read its stream holds up nobody, and loses nothing."""

import json
import socket
from collections.abc import Callable
from typing import Any, Protocol

import httpx

ENDLESS = {"max_tokens": 300, "temperature": 0, "repetition_penalty": 0.01, "frequency_penalty": -2}
PROMPTS = ["The film", "Das Boot", "이 영화", "We like it"] * 8
SMALL_SEGMENTS = 536
"""Bytes: makes the buffers of both ends small, so that the text of a stream does not fit in them."""
NEIGHBOURS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/sentiment", {"text": "The boat is slow, but we like it."}),
    ("/v1/translate", {"text": "Das Boot ist langsam.", "target": "en"}),
    ("/v1/generate", {"prompt": "The film", "max_tokens": 8}),
    ("/v1/summarize", {"text": "The boat is slow, but we like it. " * 4}),
]


class Server(Protocol):
    """What `server` in conftest.py is."""

    @property
    def client(self) -> httpx.Client: ...

    def wait_for_metric(self, name: str, holds: Callable[[float], bool]) -> None: ...


def _connect(url: httpx.URL) -> socket.socket:
    connection = socket.socket()
    connection.settimeout(60.0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_SEGMENTS)
    connection.connect((url.host, url.port))
    return connection


def _ask(connection: socket.socket, body: dict[str, Any]) -> None:
    content = json.dumps(body).encode()
    head = "POST /v1/generate HTTP/1.1\r\nHost: rondo\r\nConnection: close\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)


def _read_to_the_end(connection: socket.socket) -> bytes:
    """The body, out of its chunks."""
    received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    head, _, rest = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"transfer-encoding: chunked" in head.lower()
    body = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if not (length := int(size, 16)):
            return body
        body, rest = body + rest[:length], rest[length + 2 :]


def _texts(body: bytes) -> list[str]:
    """The whole text of each prompt."""
    events = body.decode().removesuffix("\n\n").split("\n\n")
    data = [event.removeprefix("data: ") for event in events]
    assert data[-1] == "[DONE]"
    texts = [""] * len(PROMPTS)
    for piece in map(json.loads, data[:-1]):
        texts[piece["index"]] += piece["text"]
    return texts


def test_a_slow_reader_gets_its_whole_text_and_holds_up_nobody(server: Server) -> None:
    client = server.client
    body = {"prompt": PROMPTS, **ENDLESS}
    expected = [result["text"] for result in client.post("/v1/generate", json=body).json()["results"]]
    with _connect(client.base_url) as slow:
        _ask(slow, {**body, "stream": True})
        server.wait_for_metric("rondo_num_rows_running", lambda rows: rows == len(PROMPTS))
        for path, own in NEIGHBOURS:
            assert client.post(path, json=own).status_code == 200
        server.wait_for_metric("rondo_num_rows_running", lambda rows: rows == 0)  # although nobody has read anything
        for path, own in NEIGHBOURS:
            assert client.post(path, json=own).status_code == 200
        assert _texts(_read_to_the_end(slow)) == expected

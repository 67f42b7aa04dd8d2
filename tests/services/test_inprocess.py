"""An ASGI app without a socket, on a thread of its own."""

import threading
from collections.abc import Iterator

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from rondo_services.inprocess import InProcess

TIMEOUT_S = 30.0


class _App:
    """Answers `/echo` with what it got, `/stream` with a part that waits to be let go, others not at all."""

    def __init__(self) -> None:
        self.given_up = threading.Event()
        self.scope: Scope = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        message = await receive()
        if scope["path"] not in ("/echo", "/stream"):
            raise ValueError("broken")
        head = {"type": "http.response.start", "status": 201, "headers": [(b"x-test", b"1")]}
        if scope["path"] == "/echo":
            await send(head)
            await send({"type": "http.response.body", "body": message["body"]})
            return
        try:
            await send(head)
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
            await receive()  # until the client goes away
        finally:
            self.given_up.set()


@pytest.fixture
def app() -> _App:
    return _App()


@pytest.fixture
def client(app: _App) -> Iterator[httpx.Client]:
    with httpx.Client(transport=InProcess(app), base_url="http://rondo.test") as connected:
        yield connected


def test_the_app_gets_the_request_and_the_client_the_reply(client: httpx.Client, app: _App) -> None:
    reply = client.post("/ech%6F?a=%20b", content="배".encode(), headers={"X-Own": "2"})
    assert (reply.status_code, reply.headers["x-test"], reply.content) == (201, "1", "배".encode())
    assert (app.scope["method"], app.scope["query_string"], app.scope["raw_path"]) == ("POST", b"a=%20b", b"/ech%6F")
    assert dict(app.scope["headers"])[b"x-own"] == b"2"


def test_a_path_is_unquoted_once(client: httpx.Client, app: _App) -> None:
    """A name with a percent sign in it became another."""
    with pytest.raises(ValueError, match="broken"):
        client.get("/a%2541%20b")
    assert (app.scope["path"], app.scope["raw_path"]) == ("/a%41 b", b"/a%2541%20b")


def test_a_stream_is_read_while_it_is_written_and_closing_it_tells_the_app(client: httpx.Client, app: _App) -> None:
    with client.stream("GET", "/stream") as reply:
        assert next(reply.iter_bytes()) == b"first"
        assert not app.given_up.is_set()
    assert app.given_up.wait(TIMEOUT_S)


def test_an_apps_own_error_is_raised(client: httpx.Client) -> None:
    with pytest.raises(ValueError, match="broken"):
        client.get("/broken")
    assert client.post("/echo", content=b"x").content == b"x"


def test_several_threads_may_ask(client: httpx.Client) -> None:
    replies: list[bytes] = []
    threads = [
        threading.Thread(target=lambda number=number: replies.append(client.post("/echo", content=str(number)).content))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_S)
    assert sorted(replies) == [str(number).encode() for number in range(8)]


def test_closing_gives_up_what_is_being_answered(app: _App) -> None:
    transport = InProcess(app)
    client = httpx.Client(transport=transport, base_url="http://rondo.test")
    reply = client.send(client.build_request("GET", "/stream"), stream=True)
    client.close()
    assert app.given_up.is_set()
    reply.close()

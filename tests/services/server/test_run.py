"""How the server listens."""

import asyncio
import logging
import socket
from contextlib import ExitStack
from typing import cast

import pytest
import uvicorn
import uvloop

from rondo_services.local import LocalSuite
from rondo_services.releases.fleet import Fleet
from rondo_services.server.run import AnnouncingServer, address_of, many_of

NUM_CLIENTS = 96


@pytest.mark.parametrize(("many", "few_rounds"), [(True, True), (False, False)])
def test_many_connections_are_taken_in_one_round(many: bool, few_rounds: bool) -> None:
    """libuv takes one of each listening socket a round: a busy server, with its long rounds, took a few a second."""
    made: list[asyncio.Transport] = []

    class Counting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.append(cast("asyncio.Transport", transport))

    async def rounds(stack: ExitStack) -> int:
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        address = listener.getsockname()
        sockets = many_of(listener) if many else [listener]
        servers = [await loop.create_server(Counting, sock=own, backlog=NUM_CLIENTS) for own in sockets]
        for _ in range(NUM_CLIENTS):
            stack.enter_context(socket.create_connection(address))
        count = 0
        while len(made) < NUM_CLIENTS:
            await asyncio.sleep(0)
            count += 1
        for transport in made:
            transport.abort()
        for server in servers:
            server.close()
            await server.wait_closed()
        return count

    with ExitStack() as stack, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        count = runner.run(asyncio.wait_for(rounds(stack), 30))
    assert (count < NUM_CLIENTS / 2) == few_rounds


@pytest.mark.parametrize(
    ("host", "tls", "beginning"),
    [
        ("127.0.0.1", False, "http://127.0.0.1:"),
        ("localhost", True, "https://localhost:"),
        ("::", False, "http://[::]:"),
        ("::1", True, "https://[::1]:"),
    ],
)
def test_the_address_has_the_port_that_was_free(host: str, tls: bool, beginning: str) -> None:
    """With port 0 nobody was told which; an IPv6 address was told without its brackets."""
    with uvicorn.Config("", host=host, port=0, log_config=None).bind_socket() as listener:
        assert address_of(listener, host, tls=tls) == f"{beginning}{listener.getsockname()[1]}"


def test_what_is_served_is_told_once_somebody_listens(suite: LocalSuite, caplog: pytest.LogCaptureFixture) -> None:
    """It was told before the port was taken, also where that could not be."""
    connected: list[str] = []

    async def app(scope: object, receive: object, send: object) -> None:
        """Answers nothing."""

    class Connecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with socket.create_connection(listener.getsockname(), timeout=5):
                connected.append(record.getMessage())
            server.should_exit = True

    config = uvicorn.Config(app, port=0, lifespan="off", log_config=None)
    with config.bind_socket() as listener:
        server = AnnouncingServer(config, Fleet.of(suite), "http://here")
        handler = Connecting()
        logging.getLogger("rondo").addHandler(handler)
        try:
            with caplog.at_level("INFO", "rondo"):
                asyncio.run(server.serve([listener]))
        finally:
            logging.getLogger("rondo").removeHandler(handler)
    assert connected == ["serving sentiment, generation, summarization, translation of tiny on http://here"]

"""How the server listens."""

import asyncio
import socket
from contextlib import ExitStack
from typing import cast

import pytest
import uvloop

from rondo_services.server.run import many_of

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

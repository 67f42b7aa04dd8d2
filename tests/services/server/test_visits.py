"""Visits on the short way whose bodies come late, whose clients leave, and whose servers stop."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.services.server.short_way_world import JSON, PATH, World, json_of, over_held_engine, run, until
from tests.services.server.wire import BODY, request

from rondo_services.local import LocalSuite


@pytest.mark.parametrize("cut", [1, len(BODY)])
def test_a_body_may_come_later(suite: LocalSuite, cut: int) -> None:
    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            connection.send(request(JSON)[:-cut])
            await asyncio.sleep(0.02)
            connection.send(BODY[-cut:])
            assert (await connection.reply()).status == 200
            assert (await connection.ask(JSON)).status == 200
        assert world.num_usual == 0

    run(scenario, suite)


@contextmanager
def _replies_of_status(world: World, status: int) -> Iterator[Callable[[], float]]:
    name = f'rondo_http_replies_total{{path="{PATH}",status="{status}"}}'
    before = world.counts().get(name, 0)
    yield lambda: world.counts().get(name, 0) - before


def test_a_client_that_leaves_cancels_its_work(suite: LocalSuite) -> None:
    engine, held = over_held_engine(suite)

    async def scenario(world: World) -> None:
        with _replies_of_status(world, 499) as counted:
            async with world.connection() as connection:
                connection.send(request(JSON, body=json_of(text=["x", "y"])))
                await engine.holding(2)
                connection.close()
                await until(lambda: all(ticket.cancelled for ticket in engine.tickets))
            await until(lambda: counted() == 1)
            for ticket in engine.tickets:  # the engine may be ready all the same
                ticket.finish((0.5, 0.5))
            await asyncio.sleep(0.02)
            assert (counted(), world.num_usual, engine.free) == (1, 0, 8)

    run(scenario, held)


def test_a_client_that_leaves_amid_its_body_is_counted(suite: LocalSuite) -> None:
    engine, held = over_held_engine(suite)

    async def scenario(world: World) -> None:
        with _replies_of_status(world, 400) as counted:
            async with world.connection() as connection:
                connection.send(request(JSON)[:-3])
                await asyncio.sleep(0.02)
                connection.close()
            await until(lambda: counted() == 1)  # half a body is no JSON
            assert world.num_usual == 1
            assert (engine.tickets, engine.free) == ([], 8)

    run(scenario, held)


def test_replies_come_in_the_order_of_requests_that_came_together(suite: LocalSuite) -> None:
    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            connection.send(b"".join(request(JSON, f"x-request-id: {number}") for number in range(3)))
            assert [(await connection.reply()).headers["x-request-id"] for _ in range(3)] == ["0", "1", "2"]
            connection.send(request(JSON, body=b"{") + request(JSON))
            assert [(await connection.reply()).status for _ in range(2)] == [400, 200]

    run(scenario, suite)


def test_what_is_no_http_ends_the_visit(suite: LocalSuite) -> None:
    engine, held = over_held_engine(suite)

    async def scenario(world: World) -> None:
        with _replies_of_status(world, 499) as counted:
            async with world.connection() as connection:
                connection.send(request(JSON))
                await engine.holding(1)
                connection.send(b"\0\r\n\r\n")
                assert (await connection.reply()).status == 400
                assert await connection.is_closed()
            await until(lambda: counted() == 1)
            assert engine.tickets[0].cancelled

    run(scenario, held)


def test_a_server_that_stops_answers_first(suite: LocalSuite) -> None:
    engine, held = over_held_engine(suite)

    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            connection.send(request(JSON))
            await engine.holding(1)
            world.server.should_exit = True
            await asyncio.sleep(0.3)
            engine.tickets[0].finish((0.5, 0.5))
            reply = await connection.reply()
            assert (reply.status, reply.fields[-1]) == (200, ("connection", "close"))
            assert await connection.is_closed()

    run(scenario, held)


@pytest.mark.parametrize(("body", "status"), [(BODY, 200), (b'{"text": "The boat"', 400)])
def test_a_server_that_stops_waits_for_a_body(suite: LocalSuite, body: bytes, status: int) -> None:
    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            connection.send(request(JSON, body=body)[:-3])
            await asyncio.sleep(0.02)
            world.server.should_exit = True
            await asyncio.sleep(0.3)
            connection.send(body[-3:])
            reply = await connection.reply()
            assert (reply.status, reply.fields[-1]) == (status, ("connection", "close"))
            assert await connection.is_closed()

    run(scenario, suite)


def test_more_than_pass_in_a_round_are_all_answered(suite: LocalSuite) -> None:
    async def scenario(world: World) -> None:
        async def ask() -> int:
            async with world.connection() as connection:
                return (await connection.ask(JSON)).status

        assert set(await asyncio.gather(*(ask() for _ in range(60)))) == {200}
        assert world.num_usual == 0

    run(scenario, suite)

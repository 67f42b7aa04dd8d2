"""Streams on the short way are those of the usual way, to the byte; each has no task, and breaks off as it should."""

import asyncio
import json
import logging
import socket
from array import array

import pytest
from tests.services.server.short_way_world import (
    JSON,
    HeldEngine,
    World,
    assert_same,
    json_of,
    over_held_engine,
    run,
    until,
)
from tests.services.server.wire import Connection, request

from rondo_services.engine.requests import Generated, Ticket
from rondo_services.errors import EngineRestarted, TimedOut
from rondo_services.local import LocalSuite

PATH = "/v1/generate"


def _stream(**fields: object) -> bytes:
    return json_of(**{"prompt": "The boat", "stream": True, "seed": 3, "max_tokens": 30, **fields})


@pytest.mark.parametrize(
    "body",
    [
        _stream(),
        _stream(prompt=""),
        _stream(prompt=["배가 천천히"], temperature=0),
        _stream(max_tokens=1),
        _stream(model="generation", top_k=3),
        _stream(stop=["a", "e"]),
        _stream(stop=" "),
        _stream(seed=8, temperature=5.0, top_p=1.0, max_tokens=200),
        _stream(logit_bias={"3": 100.0}),
    ],
)
def test_a_stream_is_the_same(suite: LocalSuite, body: bytes) -> None:
    async def scenario(world: World) -> None:
        plain, usual = await world.by_both_ways(JSON, "x-request-id: mine-1", body=body, path=PATH)
        assert (plain.status, world.num_usual) == (200, 1)
        assert_same(plain, usual)
        assert plain.chunks[-1] == b"data: [DONE]\n\n"
        assert "finish_reason" in json.loads(plain.chunks[-2].removeprefix(b"data: "))

    run(scenario, suite)


@pytest.mark.parametrize(
    ("status", "body", "num_usual"),
    [
        (200, _stream(prompt=["The boat", "The train"]), 2),
        (200, _stream(logprobs=1), 2),
        (200, _stream(prompt_logprobs=True), 2),
        (200, _stream(return_state=True), 2),
        (200, _stream(prompt="boat " * 2500), 2),
        (200, _stream(stream=False), 2),
        (200, json_of(prompt='a "stream"', max_tokens=3, temperature=0), 2),
        (400, _stream(state="strange"), 2),
        (422, _stream(max_tokens=0), 2),
        (422, _stream(logit_bias={"x": 1.0}), 1),
        (422, b'{"stream": true, "prompt": "\\ud800"}', 2),
        (404, _stream(model="nobody"), 1),
        (422, _stream(prompt="The boat " * 400), 1),
    ],
)
def test_all_else_is_the_same_too(suite: LocalSuite, status: int, body: bytes, num_usual: int) -> None:
    async def scenario(world: World) -> None:
        plain, usual = await world.by_both_ways(JSON, "x-request-id: mine-1", body=body, path=PATH)
        assert (plain.status, world.num_usual) == (status, num_usual)
        if b"return_state" not in body:  # a state is sealed with a number that is used once
            assert_same(plain, usual)

    run(scenario, suite, max_text_tokens=1000 if status == 422 else 20_000)


def test_a_client_that_knows_no_chunks_goes_the_usual_way(suite: LocalSuite) -> None:
    """The short way has no other form for a stream (RFC 9112, section 6.1)."""

    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            connection.send(request(JSON, body=_stream(), path=PATH).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
            await connection.reply()
            assert world.num_usual == 1

    run(scenario, suite)


def test_both_ways_are_counted_and_logged_alike(suite: LocalSuite, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(world: World) -> None:
        before = world.counts()
        async with world.connection() as connection:
            await connection.ask(JSON, body=_stream(), path=PATH)
        between = world.counts()
        async with world.connection() as connection:
            body = _stream()
            head = f"POST {PATH} HTTP/1.1\r\nhost: rondo\r\ntransfer-encoding: chunked\r\n{JSON}\r\n\r\n".encode()
            connection.send(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
            await connection.reply()
        after = world.counts()
        assert world.num_usual == 1
        short = {name: value - before.get(name, 0) for name, value in between.items()}
        usual = {name: value - between.get(name, 0) for name, value in after.items()}
        gaps = {name for name in short if "encode_batch" in name}
        assert {n: v for n, v in short.items() if n not in gaps} == {n: v for n, v in usual.items() if n not in gaps}
        assert short[f'rondo_http_replies_total{{path="{PATH}",status="200"}}'] == 1

    with caplog.at_level(logging.INFO, "rondo.access"):
        run(scenario, suite, access_log="text")
    short, usual = [record.__dict__["fields"] for record in caplog.records if record.name == "rondo.access"]
    for fields in (short, usual):
        assert fields.pop("milliseconds") >= 0
        assert len(fields.pop("request_id")) == 32
    assert short == usual
    assert short["bytes"] > 100


def _write(ticket: Ticket, *ids: int) -> None:
    assert ticket.on_token is not None
    for identifier in ids:
        ticket.on_token(identifier, None)


def _finish(ticket: Ticket, *ids: int) -> None:
    ticket.finish(Generated(array("i", ids), "length"))


async def _begun(world: World, engine: HeldEngine, connection: Connection, **fields: object) -> Ticket:
    connection.send(request(JSON, body=_stream(**fields), path=PATH))
    await engine.holding(len(engine.tickets) + 1)
    assert world.num_usual == 0
    return engine.tickets[-1]


def test_tokens_come_as_they_are_written_each_as_an_event(suite: LocalSuite) -> None:
    engine, held = over_held_engine(suite)
    ids = suite.tokenizer.encode("slow late boat")

    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            ticket = await _begun(world, engine, connection)
            num_tasks = len(asyncio.all_tasks())
            _write(ticket, ids[0])
            assert (await connection.head()).status == 200
            first = json.loads((await connection.chunk()).removeprefix(b"data: "))
            assert first == {"index": 0, "text": suite.tokenizer.decode_continuation(ids[:1])}
            assert len(asyncio.all_tasks()) == num_tasks
            _write(ticket, *ids[1:])  # together, but none is put into another's event
            _finish(ticket, *ids)
            texts = [json.loads((await connection.chunk()).removeprefix(b"data: "))["text"] for _ in ids]
            assert texts == [*(suite.tokenizer.decode_continuation([own]) for own in ids[1:]), ""]
            assert await connection.chunk() == b"data: [DONE]\n\n"
            assert await connection.chunk() == b""
            assert engine.free == 8
            assert (await _begun(world, engine, connection)) is not ticket  # the connection takes the next

    run(scenario, held)


@pytest.mark.parametrize("error", [EngineRestarted("being started"), TimedOut("too late")])
@pytest.mark.parametrize("written", [0, 2])
def test_an_error_has_its_status_or_its_event(suite: LocalSuite, error: EngineRestarted, written: int) -> None:
    engine, held = over_held_engine(suite)
    ids = suite.tokenizer.encode("slow late boat")[:written]

    async def scenario(world: World) -> None:
        async def fail() -> None:
            for number in range(2):
                await engine.holding(number + 1)
                _write(engine.tickets[-1], *ids)
                await asyncio.sleep(0.02)
                engine.tickets[-1].fail(error)

        failing = asyncio.create_task(fail())
        plain, usual = await world.by_both_ways(JSON, "x-request-id: a", body=_stream(), path=PATH)
        await failing
        assert (plain.status == 200, world.num_usual) == (written > 0, 1)
        assert_same(plain, usual)

    run(scenario, held)


@pytest.mark.parametrize(("written", "status"), [(0, 499), (1, 200)])
def test_a_client_that_leaves_cancels_its_work(suite: LocalSuite, written: int, status: int) -> None:
    engine, held = over_held_engine(suite)
    ids = suite.tokenizer.encode("slow late boat")[:written]
    name = f'rondo_http_replies_total{{path="{PATH}",status="{status}"}}'

    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            ticket = await _begun(world, engine, connection)
            _write(ticket, *ids)
            if written:
                await connection.head()
            connection.close()
            await until(lambda: ticket.cancelled)
        await until(lambda: world.counts().get(name, 0) == 1)
        _write(ticket, *ids)  # the engine may be about it all the same
        _finish(ticket, *ids)
        await asyncio.sleep(0.02)
        assert (world.counts()[name], engine.free) == (1, 8)

    run(scenario, held)


def test_a_stop_text_ends_the_work(suite: LocalSuite) -> None:
    engine, held = over_held_engine(suite)
    ids = suite.tokenizer.encode("slow late boat")

    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            ticket = await _begun(world, engine, connection, stop="late")
            _write(ticket, *ids)
            reply = await connection.reply()
            last = json.loads(reply.chunks[-2].removeprefix(b"data: "))
            assert last["finish_reason"] == "stop"
            assert b"late" not in reply.body
            assert ticket.enough
            assert ticket.cancelled

    run(scenario, held)


def test_what_a_client_does_not_take_waits_for_it(suite: LocalSuite) -> None:
    engine, held = over_held_engine(suite)
    identifier = suite.tokenizer.encode("slow")[0]
    count = 20_000

    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            ticket = await _begun(world, engine, connection)
            (visited,) = [own for own in world.server.server_state.connections if own.cycle is not None]
            visited.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            for _ in range(count // 100):
                _write(ticket, *[identifier] * 100)
                await asyncio.sleep(0)
            await until(lambda: visited.flow.write_paused)
            assert visited.transport.get_write_buffer_size() < 100_000  # the rest has not become text
            _finish(ticket, *[identifier] * count)
            reply = await connection.reply()
            assert len(reply.chunks) == count + 2
            usage = json.loads(reply.chunks[-2].removeprefix(b"data: "))["usage"]
            assert usage["completion_tokens"] == count

    run(scenario, held)


def test_a_server_that_stops_ends_its_streams_first(suite: LocalSuite) -> None:
    engine, held = over_held_engine(suite)
    ids = suite.tokenizer.encode("slow late boat")

    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            ticket = await _begun(world, engine, connection)
            _write(ticket, ids[0])
            await connection.head()
            world.server.should_exit = True
            await asyncio.sleep(0.3)
            _write(ticket, *ids[1:])
            _finish(ticket, *ids)
            chunks = []
            while chunk := await connection.chunk():
                chunks.append(chunk)
            assert chunks[-1] == b"data: [DONE]\n\n"
            assert await connection.is_closed()

    run(scenario, held)


def test_a_fault_of_ours_amid_a_stream_breaks_it_off(suite: LocalSuite, caplog: pytest.LogCaptureFixture) -> None:
    engine, held = over_held_engine(suite)
    ids = suite.tokenizer.encode("slow late boat")

    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            ticket = await _begun(world, engine, connection)
            _write(ticket, ids[0])
            await connection.head()
            await connection.chunk()
            _write(ticket, 10**9)  # there is no such token
            assert await connection.is_closed()
            assert ticket.cancelled

    with caplog.at_level(logging.ERROR):
        run(scenario, held)
    assert "could not be answered" in caplog.text

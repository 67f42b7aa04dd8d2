"""Both ways make the same replies, to the byte, and count, charge and log the same."""

import asyncio
import logging
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.services.server.short_way_world import JSON, PATH, World, assert_same, json_of, over_held_engine, run
from tests.services.server.wire import BODY, request

from rondo_services.access.control import AccessControl
from rondo_services.access.key_file import KeyFile
from rondo_services.access.keyring import Keyring
from rondo_services.access.keys import Allowance
from rondo_services.access.ledger import Ledger
from rondo_services.access.usage import UsageBook
from rondo_services.errors import EngineFailed, EngineRestarted, RondoError, TimedOut
from rondo_services.local import LocalSuite
from rondo_services.server.telemetry import Telemetry


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ((), BODY),
        ((), json_of(text=["The boat is slow.", "조용한 항구", "", "Ça alors !"])),
        ((), json_of(text="The boat is slow.", language="de")),
        ((), json_of(text="The boat is slow.", model="sentiment", explain=False)),
        (("x-priority: batch", "x-request-timeout-ms: 20000"), BODY),
        (("x-rondo-bundle: rondo-test",), BODY),
        (("origin: https://shop.example",), BODY),
    ],
)
def test_an_answer_is_the_same(suite: LocalSuite, headers: tuple[str, ...], body: bytes) -> None:
    async def scenario(world: World) -> None:
        plain, usual = await world.by_both_ways(JSON, "x-request-id: mine-1", *headers, body=body)
        assert (plain.status, world.num_usual) == (200, 1)
        assert_same(plain, usual)
        assert plain.headers["x-request-id"] == "mine-1"

    name = suite.called("rondo-test")
    run(scenario, name)


def test_an_id_is_made_where_there_is_none(suite: LocalSuite) -> None:
    async def scenario(world: World) -> None:
        plain, usual = await world.by_both_ways(JSON + "; charset=utf-8")
        assert world.num_usual == 1
        assert_same(plain, usual, made_ids=True)
        assert re.fullmatch("[0-9a-f]{32}", plain.headers["x-request-id"])

    run(scenario, suite)


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (400, (JSON,), b"{"),
        (400, (JSON,), b"\xff"),
        (422, (JSON,), b""),
        (422, (JSON,), b"[]"),
        (400, (JSON,), b"[" * 1000),
        (400, (JSON,), json_of(text=["x"] * 300)),
        (422, (JSON,), json_of()),
        (422, (JSON,), json_of(text=5)),
        (422, (JSON,), json_of(text=[])),
        (422, (JSON,), json_of(text="x", language="fr")),
        (422, (JSON,), json_of(text="x", strange=1)),
        (422, (JSON,), b'{"text": "\\ud800"}'),
        (422, (JSON,), json_of(text="slow boat " * 100)),
        (404, (JSON,), json_of(text="x", model="nobody")),
        (404, (JSON, "x-rondo-bundle: nobody"), BODY),
        (422, (JSON, "x-priority: urgent"), BODY),
        (422, (JSON, "x-request-timeout-ms: 0"), BODY),
        (415, (), BODY),
        (415, ("content-type: text/plain",), BODY),
        (200, (JSON,), json_of(text="x", explain=True)),
        (200, ("content-type: application/merge-patch+json",), BODY),
        (200, (JSON,), b'{"text": "one", "text": "two"}'),
        (200, (JSON,), '{"text": "영화"}'.encode("utf-16")),
        (200, (JSON,), json_of(text=["slow " * 10] * 250)),
    ],
)
def test_all_else_is_the_same_too(suite: LocalSuite, status: int, headers: tuple[str, ...], body: bytes) -> None:
    async def scenario(world: World) -> None:
        plain, usual = await world.by_both_ways("x-request-id: mine-1", *headers, body=body)
        assert plain.status == status
        assert_same(plain, usual)

    run(scenario, suite, max_text_tokens=64, max_json_values=260)


@pytest.mark.parametrize("error", [EngineFailed("it broke"), EngineRestarted("being started"), TimedOut("too late")])
def test_an_error_of_the_engine_is_the_same(suite: LocalSuite, error: RondoError) -> None:
    engine, held = over_held_engine(suite)

    async def scenario(world: World) -> None:
        async def fail() -> None:
            for number in range(2):
                await engine.holding(2 * number + 2)
                engine.tickets[-1].fail(error)

        failing = asyncio.create_task(fail())
        plain, usual = await world.by_both_ways(JSON, "x-request-id: a", body=json_of(text=["x", "y"]))
        await failing
        assert (plain.status, world.num_usual) == (504 if isinstance(error, TimedOut) else 503, 1)
        assert_same(plain, usual)
        assert [ticket.cancelled for ticket in engine.tickets] == [True, False] * 2
        assert engine.free == 8

    run(scenario, held)


def test_a_refusal_of_the_engine_is_the_same(suite: LocalSuite) -> None:
    engine, held = over_held_engine(suite)
    engine.refusal = EngineRestarted("the engine is being started")

    async def scenario(world: World) -> None:
        plain, usual = await world.by_both_ways(JSON, "x-request-id: a")
        assert (plain.status, world.num_usual) == (503, 1)
        assert_same(plain, usual)

    run(scenario, held)


@pytest.mark.parametrize(("free", "texts", "num_usual"), [(0, 1, 1), (2, 3, 1)])
def test_a_refusal_for_want_of_places_is_the_same(suite: LocalSuite, free: int, texts: int, num_usual: int) -> None:
    engine, held = over_held_engine(suite, free)

    async def scenario(world: World) -> None:
        plain, usual = await world.by_both_ways(JSON, "x-request-id: a", body=json_of(text=["x"] * texts))
        assert (plain.status, world.num_usual) == (429, num_usual)
        assert (plain.body, plain.headers["retry-after"]) == (usual.body, usual.headers["retry-after"])
        assert engine.free == free

    run(scenario, held)


def test_a_fault_of_ours_is_the_same(
    suite: LocalSuite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert suite.sentiment is not None

    def broken(*args: Any) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(suite.sentiment, "result", broken)

    async def scenario(world: World) -> None:
        plain, usual = await world.by_both_ways(JSON)
        assert (plain.status, world.num_usual) == (500, 1)
        assert_same(plain, usual, made_ids=True)
        assert world.counts()['rondo_http_replies_total{path="/v1/sentiment",status="500"}'] == 2
        async with world.connection() as connection:
            for _ in range(2):  # the connection goes on
                assert (await connection.ask(JSON)).status == 500

    with caplog.at_level(logging.ERROR):
        run(scenario, suite)
    assert "on purpose" in caplog.text


def test_both_ways_are_counted_alike(suite: LocalSuite) -> None:
    bodies = [BODY, json_of(text=["a", "b", "c"]), json_of(text="x", model="nobody"), b"{", json_of(text="x" * 5000)]

    async def scenario(world: World) -> None:
        grown = []
        before = world.counts()
        for way in range(2):
            for body in bodies:
                async with world.connection() as connection:
                    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
                    head = (
                        f"POST {PATH} HTTP/1.1\r\nhost: rondo\r\ntransfer-encoding: chunked\r\n{JSON}\r\n\r\n".encode()
                    )
                    connection.send(request(JSON, body=body) if way == 0 else head + chunked)
                    await connection.reply()
            after = world.counts()
            grown.append({name: value - before.get(name, 0) for name, value in after.items()})
            before = after
        batches = {name: value for name, value in grown[0].items() if "rondo_encode_batch" not in name}
        assert batches == {name: value for name, value in grown[1].items() if "rondo_encode_batch" not in name}
        assert grown[0]['rondo_http_replies_total{path="/v1/sentiment",status="200"}'] == 2
        assert grown[0]['rondo_request_part_seconds_count{part="total",path="/v1/sentiment"}'] == 2

    run(scenario, suite, max_text_tokens=64)


class _Keys:
    """One key, and what has been noted for it."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        file = KeyFile(folder)
        self.record, self.key = file.create("shop", Allowance(**limits), None, datetime.now(UTC))
        self.ledger = Ledger(UsageBook(folder))
        self.control = AccessControl(Keyring(file), self.ledger)

    @property
    def used(self) -> tuple[int, int]:
        """Requests and characters of today."""
        today = self.ledger.today(self.record.id)
        return today.requests, today.characters


def test_a_key_is_asked_for_and_charged_once(suite: LocalSuite, tmp_path: Path) -> None:
    keys = _Keys(tmp_path, requests_per_day=100, characters_per_day=1000)

    async def scenario(world: World) -> None:
        for header in ("x-strange: 1", "authorization: Bearer nobody's"):
            plain, usual = await world.by_both_ways(JSON, "x-request-id: a", header)
            assert (plain.status, plain.body) == (401, usual.body)
        assert keys.used == (0, 0)
        own = f"authorization: Bearer {keys.key}"
        plain, usual = await world.by_both_ways(JSON, "x-request-id: a", own, body=json_of(text="x" * 100))
        assert keys.used == (2, 200)
        assert [name for name, _ in plain.fields] == [name for name, _ in usual.fields]
        assert plain.headers["ratelimit"].startswith('"requests-per-day";r=99;')
        assert usual.headers["ratelimit"].startswith('"requests-per-day";r=98;')
        usual_before = world.num_usual
        async with world.connection() as connection:
            wrong = await connection.ask(JSON, own, body=b"{")
        assert (wrong.status, world.num_usual) == (400, usual_before + 1)
        assert keys.used == (3, 200)  # although both ways looked at the key
        plain, usual = await world.by_both_ways(JSON, "x-request-id: a", own, body=json_of(text="x" * 1001))
        assert (plain.status, plain.body) == (422, usual.body)
        plain, usual = await world.by_both_ways(JSON, "x-request-id: a", own, body=json_of(text="x" * 900))
        assert (plain.status, plain.body, plain.headers["retry-after"]) == (
            429,
            usual.body,
            usual.headers["retry-after"],
        )
        assert keys.used == (7, 200)

    run(scenario, suite, access=keys.control)


def test_a_rate_is_kept(suite: LocalSuite, tmp_path: Path) -> None:
    keys = _Keys(tmp_path, requests_per_minute=2)

    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            own = f"x-api-key: {keys.key}"
            assert [(await connection.ask(JSON, own)).status for _ in range(4)] == [200, 200, 429, 429]

    run(scenario, suite, access=keys.control)


def test_a_request_is_in_the_access_log(suite: LocalSuite, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    keys = _Keys(tmp_path)

    async def scenario(world: World) -> None:
        await world.by_both_ways(JSON, "x-request-id: mine-1", f"x-api-key: {keys.key}")

    with caplog.at_level(logging.INFO, "rondo.access"):
        run(scenario, suite, access=keys.control, access_log="text")
    plain, usual = [record.__dict__["fields"] for record in caplog.records if record.name == "rondo.access"]
    assert plain.pop("milliseconds") >= 0
    assert usual.pop("milliseconds") >= 0
    assert plain == usual
    assert (plain["status"], plain["key"]) == (200, f"shop/{keys.record.id}")


def test_where_spans_are_made_all_goes_the_usual_way(suite: LocalSuite) -> None:
    exporter = InMemorySpanExporter()

    async def scenario(world: World) -> None:
        async with world.connection() as connection:
            assert (await connection.ask(JSON)).status == 200
        assert world.num_usual == 1

    run(scenario, suite, telemetry=Telemetry(SimpleSpanProcessor(exporter)))
    assert exporter.get_finished_spans()[-1].name == f"POST {PATH}"

"""The metrics of readiness, room and memory are those of the engine that serves."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry
from tests.services.server.conftest import Connect

from rondo_services.engine.admission import Entrance
from rondo_services.engine.client import EngineClient
from rondo_services.engine.observer import EngineObserver
from rondo_services.engine.options import WorkerOptions
from rondo_services.engine.scheduler import Limits
from rondo_services.local import LocalSuite
from rondo_services.releases.fleet import Fleet
from rondo_services.server.vitals import add_vitals
from rondo_services.suite import Suite

MakeSuite = Callable[..., LocalSuite]


def test_ready_is_what_the_health_check_says(make_suite: MakeSuite, connect: Connect) -> None:
    suite = make_suite()

    async def read(client: httpx.AsyncClient) -> tuple[int, str]:
        return (await client.get("/health/ready")).status_code, (await client.get("/metrics")).text

    async def scenario() -> None:
        async with connect(suite) as client:
            status, text = await read(client)
            assert (status, "rondo_ready 1.0" in text) == (200, True)
            assert f"rondo_max_requests_waiting {suite.engine.limits.max_waiting:.1f}" in text
            await asyncio.to_thread(suite.close)
            status, text = await read(client)
            assert (status, "rondo_ready 0.0" in text) == (503, True)

    asyncio.run(scenario())


def test_an_engine_in_a_process_has_its_own_memory(make_suite: MakeSuite, tmp_path: Path) -> None:
    """Here the process is this one; before it is started, nothing is told of it."""
    observer = EngineObserver()
    options, entrance = WorkerOptions(tmp_path, Limits(), None, 0.0, 1), Entrance([], 10, Limits(), observer.refused)
    engine = _NotStarted(options, entrance, observer)
    registry = CollectorRegistry()
    local = make_suite()
    suite = Suite(local.contents, local.tokenizer, engine, local.sentiment, None, None, None, None)
    add_vitals(registry, Fleet.of(suite))
    assert registry.get_sample_value("rondo_engine_process_resident_memory_bytes") is None
    engine.number = os.getpid()
    own = registry.get_sample_value("process_resident_memory_bytes")
    other = registry.get_sample_value("rondo_engine_process_resident_memory_bytes")
    assert own is not None
    assert other is not None
    assert 0.5 * own < other < 2 * own
    local.close()


class _NotStarted(EngineClient):
    number: int | None = None

    @property
    def pid(self) -> int | None:
        return self.number

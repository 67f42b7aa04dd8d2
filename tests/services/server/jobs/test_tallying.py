"""The metrics of jobs are those of the store, and tell when it does not answer."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from rondo_services.jobs.errors import JobStoreError
from rondo_services.server.jobs.desk import JobDesk
from rondo_services.server.jobs.tallying import JobGauges, tallied
from rondo_services.server.settings import ServerSettings


def test_they_follow_the_store(tmp_path: Path) -> None:
    registry, desk = CollectorRegistry(), JobDesk(ServerSettings(state_dir=tmp_path))

    async def scenario() -> None:
        async with tallied(desk, JobGauges(registry), every_s=0.01):
            await _until(registry, "rondo_job_store_up", 1)
            assert registry.get_sample_value("rondo_jobs", {"state": "queued"}) == 0
            job = await desk.add_job("job", {}, "bundle", {})
            await _until(registry, "rondo_jobs", 1, state="queued")
            await desk.cancel(job)
            await _until(registry, "rondo_jobs", 1, state="cancelled")
            assert registry.get_sample_value("rondo_jobs", {"state": "queued"}) == 0
            assert registry.get_sample_value("rondo_job_records", {"stage": "planned"}) == 0

    asyncio.run(scenario())
    desk.close()


def test_a_store_that_does_not_answer_is_down_until_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry, desk = CollectorRegistry(), JobDesk(ServerSettings(state_dir=tmp_path))

    def no_store(self: JobDesk) -> None:
        raise JobStoreError("it is away")

    async def scenario() -> None:
        async with tallied(desk, JobGauges(registry), every_s=0.01):
            await _until(registry, "rondo_job_store_up", 1)
            with monkeypatch.context() as changed:
                changed.setattr(JobDesk, "open", no_store)
                await _until(registry, "rondo_job_store_up", 0)
            await _until(registry, "rondo_job_store_up", 1)

    asyncio.run(scenario())
    desk.close()


async def _until(registry: CollectorRegistry, name: str, value: float, **labels: str) -> None:
    async with asyncio.timeout(10):
        while registry.get_sample_value(name, labels) != value:
            await asyncio.sleep(0.005)

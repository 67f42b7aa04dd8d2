"""The worker in a server's process."""

import asyncio
import logging
import threading

import pytest
from tests.services.server.jobs.asking import batch_of, ended, requests, sent
from tests.services.server.jobs.conftest import Serving

from rondo_services.errors import EngineFailed
from rondo_services.jobs.store import JobStore
from rondo_services.server.jobs import embedded
from rondo_services.server.settings import ServerSettings


def _names() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_it_works_on_a_thread_of_its_own_while_the_server_does(serving: Serving) -> None:
    async def ask() -> None:
        async with serving():
            assert "rondo-jobs" in _names()
        assert "rondo-jobs" not in _names()

    asyncio.run(ask())


def test_a_server_without_it_leaves_jobs_to_others(serving: Serving) -> None:
    async def ask() -> None:
        async with serving(jobs="off") as client:
            assert "rondo-jobs" not in _names()
            file = await sent(client, '{"text": "The boat."}\n')
            made = await client.post("/v1/jobs", json={"service": "sentiment", "input": {"source": file["id"]}})
        async with serving(jobs="on") as client:
            assert (await ended(client, f"/v1/jobs/{made.json()['id']}"))["state"] == "done"

    asyncio.run(ask())


def test_what_is_begun_when_the_server_ends_is_done_by_the_next(serving: Serving, settings: ServerSettings) -> None:
    async def ask() -> None:
        bodies = [{"model": "generation", "prompt": "The", "max_tokens": 60, "logit_bias": {"2": -100}}] * 200
        async with serving() as client:
            batch = await batch_of(client, requests(bodies))
            while (await client.get(f"/v1/batches/{batch['id']}")).json()["status"] == "validating":
                await asyncio.sleep(0.01)
        async with serving() as client:
            batch = await ended(client, f"/v1/batches/{batch['id']}")
            assert batch["status"] == "completed"
            assert batch["request_counts"] == {"total": 200, "completed": 200, "failed": 0}

    asyncio.run(ask())


def test_it_begins_again_after_a_failure_of_the_store(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(embedded, "_PAUSE_S", 0.01)
    lease, calls = JobStore.lease, []

    def failing(*args: object, **options: object) -> object:
        calls.append(args)
        if len(calls) == 1:
            raise EngineFailed("the database is away")
        return lease(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(JobStore, "lease", failing)

    async def ask() -> None:
        async with serving() as client:
            batch = await batch_of(client, requests([{"text": "The boat."}], "/v1/sentiment"), "/v1/sentiment")
            assert (await ended(client, f"/v1/batches/{batch['id']}"))["status"] == "completed"

    with caplog.at_level(logging.ERROR, "rondo"):
        asyncio.run(ask())
    assert "the database is away" in caplog.text

"""What is done around Ray; that it answers as processes do is in `tests/system/test_batch.py`."""

import logging
import sys
import threading
from pathlib import Path

import pytest
from tests.services.jobs.store.conftest import answered, leased

from rondo_services.errors import InvalidInput
from rondo_services.jobs import on_ray
from rondo_services.jobs.errors import JobStoreError
from rondo_services.jobs.files import StateFiles
from rondo_services.jobs.settings import JobPlace, WorkerSettings
from rondo_services.jobs.spec import JobInput, JobSpec
from rondo_services.jobs.store import JobStore
from rondo_services.jobs.types import Job, Lease
from rondo_services.local import LocalSuite

NUM = 20
TIMEOUT_S = 10.0


@pytest.fixture
def job(store: JobStore, tmp_path: Path, workers_here: LocalSuite) -> Job:
    source = tmp_path / "texts.txt"
    source.write_text("".join(f"The boat number {number} is late.\n" for number in range(NUM)), encoding="utf-8")
    spec = JobSpec(service="sentiment", input=JobInput(source=str(source)), chunk=4)
    return store.add_job("job", "", spec.model_dump(), workers_here.contents.fingerprint)


@pytest.fixture
def settings(tmp_path: Path, bundle_folder: Path) -> WorkerSettings:
    return WorkerSettings(JobPlace("", str(tmp_path / "files")), bundle_folder, precision="float32")


def test_without_ray_there_is_a_hint(
    store: JobStore, files: StateFiles, job: Job, settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InvalidInput, match=r"pip install 'rondo-nlp\[ray\]'"):
        on_ray.run_on_ray(store, files, job, settings, 1, lambda job: None, "local")


def test_a_small_input_is_one_wave(store: JobStore, files: StateFiles, job: Job) -> None:
    with on_ray._planning(store, files, job, "ray") as planning:
        leases = on_ray._wave(store, job, "ray", planning, lambda job: None)
    assert _numbers(leases) == [0, 1, 2, 3, 4]
    found = store.job(job.id)
    assert found is not None
    assert (found.all_planned, found.num_planned) == (True, NUM)


def test_a_large_input_is_planned_a_wave_ahead(
    store: JobStore, files: StateFiles, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it was planned, and all chunks were leased, before the first was answered."""
    monkeypatch.setattr(on_ray, "_WAVE", 2)
    shown: list[int] = []
    waves = []
    with on_ray._planning(store, files, job, "ray") as planning:
        while leases := on_ray._wave(store, job, "ray", planning, lambda job: shown.append(job.num_planned)):
            waves.append(_numbers(leases))
            assert store.num_open_chunks(job.id) <= 2
            for lease in leases:
                assert store.complete(lease, answered(lease))
    assert waves == [[0, 1], [2, 3], [4]]
    assert leased(store).kind == "finish"


def test_planning_ends_when_nobody_waits_for_it(
    store: JobStore, files: StateFiles, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_ray, "_WAVE", 2)
    with on_ray._planning(store, files, job, "ray") as planning:
        assert len(on_ray._wave(store, job, "ray", planning, lambda job: None)) == 2
    again = leased(store, look_ahead=100)
    assert (again.kind, again.num_chunks, again.attempt) == ("plan", 2, 1)


def test_an_input_that_can_not_be_read_fails_the_job(store: JobStore, files: StateFiles, job: Job) -> None:
    Path(job.spec["input"]["source"]).unlink()
    with on_ray._planning(store, files, job, "ray") as planning:
        assert on_ray._wave(store, job, "ray", planning, lambda job: None) == []
    found = store.job(job.id)
    assert found is not None
    assert found.state == "failed"


def test_what_another_process_plans_is_left_to_it(store: JobStore, files: StateFiles, job: Job) -> None:
    plan = leased(store, "another")
    with on_ray._planning(store, files, job, "ray") as planning:
        assert on_ray._wave(store, job, "ray", planning, lambda job: None) == []
    assert store.holds(plan)


def test_leases_are_given_back_in_the_end(store: JobStore, files: StateFiles, job: Job) -> None:
    with on_ray._signs_of_life(store, "ray"), on_ray._planning(store, files, job, "ray") as planning:
        assert len(on_ray._wave(store, job, "ray", planning, lambda job: None)) == 5
        assert store.lease("another", 60.0) is None
    again = leased(store, "another")
    assert (again.kind, again.attempt) == ("answer", 1)


def test_a_sign_of_life_that_fails_is_logged_and_given_again(
    store: JobStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The first that failed was the last, so that Ray's work counted no more a minute later."""
    given = threading.Event()

    def once(worker: str, lease_s: float) -> None:
        if "could not be extended" in caplog.text:
            given.set()
        raise JobStoreError("the database is away")

    monkeypatch.setattr(on_ray, "_LEASE_S", 0.04)
    monkeypatch.setattr(store, "extend", once)
    with caplog.at_level(logging.ERROR, "rondo"), on_ray._signs_of_life(store, "ray"):
        assert given.wait(TIMEOUT_S)


def _numbers(leases: list[Lease]) -> list[int]:
    return [lease.chunk.number for lease in leases if lease.chunk is not None]

"""A store and the files of jobs in a folder of the test's own, with a clock that it sets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.services.jobs.store.conftest import Clock
from tests.services.jobs.working import AskTexts, FakeMeans, backwards, records
from tests.services.jobs.workplace import Workplace

from rondo_services.jobs import worker as worker_module
from rondo_services.jobs.files import StateFiles
from rondo_services.jobs.store import JobStore


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[JobStore]:
    with JobStore(f"sqlite:///{tmp_path}/jobs.sqlite", clock) as store:
        yield store


@pytest.fixture
def files(tmp_path: Path) -> StateFiles:
    return StateFiles(str(tmp_path / "files"))


@pytest.fixture
def at(store: JobStore, files: StateFiles, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A workplace for so many records, with this way to the engine."""
    monkeypatch.setattr(worker_module, "_LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr(worker_module, "_LONGEST_TROUBLE_S", 0.02)

    def at(num_records: int = 50, ask: AskTexts = backwards) -> Workplace:
        return Workplace(store, files, FakeMeans(store, files, records(num_records), ask))

    return at

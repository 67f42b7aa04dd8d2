"""A store and the files of jobs in a folder of the test's own, with a clock that it sets."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.services.jobs.store.conftest import Clock

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

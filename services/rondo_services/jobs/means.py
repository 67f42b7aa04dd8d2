"""What a worker has where there is a suite: the services' tasks, inputs of this machine, and reports."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from ..datasets.files import data_root
from ..engine.requests import Work
from ..errors import InvalidInput
from ..suite import Suite
from .asking import Asker, batch_asker
from .files import StateFiles
from .finishing import finish_job
from .inputs import identity_of, open_input
from .inputs.endings import name_of
from .inputs.named import PREFIX
from .items import BadItem, Item
from .spec import JobInput, JobSpec
from .store import JobStore
from .tasks.choice import task_of
from .tasks.services import LONGEST_PIECE
from .tasks.task import Task
from .types import Job

KEPT = "standard_input"
"""Of a job's metadata: the file in which its standard input is kept."""


class SuiteMeans:
    """As `Means`.

    Args:
        asker: of the engine; by default as much at once as keeps one busy that nobody else asks.
        longest_piece: tokens of a text, or of a sentence to translate; records with more are bad.
    """

    def __init__(
        self,
        suite: Suite,
        store: JobStore,
        files: StateFiles,
        asker: Asker | None = None,
        longest_piece: int = LONGEST_PIECE,
    ) -> None:
        self._suite = suite
        self._store = store
        self._files = files
        self._asker = asker or batch_asker(suite)
        self._longest_piece = longest_piece

    @property
    def is_ready(self) -> bool:
        """As `Means`."""
        return self._suite.engine.is_alive

    async def ask(self, works: Sequence[Work]) -> list[Any]:
        """As `Means`."""
        return await self._asker.ask(works)

    def task_of(self, job: Job) -> Task:
        """As `Means`."""
        return task_of(JobSpec.model_validate(job.spec), self._suite, self._longest_piece)

    def items_of(self, job: Job) -> Iterable[Item | BadItem]:
        """As `Means`."""
        return items_of(job)

    async def finish(self, job: Job) -> Mapping[str, Any]:
        """As `Means`."""
        return await finish_job(job, self._suite, self._store, self._files, self.ask)


def items_of(job: Job) -> Iterable[Item | BadItem]:
    """The input of a job of this machine, from its beginning.

    Raises:
        InvalidInput: it can't be read, or is not what it was when the job began, also at its end.
    """
    spec = JobSpec.model_validate(job.spec).input
    kept = job.metadata.get(KEPT)
    if kept is not None:
        return _kept_records(spec, Path(kept))
    known = job.metadata.get("identity", "")
    _check_unchanged(spec, known)
    return chain(records_of(spec), _nothing_if_unchanged(spec, known))


def _kept_records(spec: JobInput, kept: Path) -> Iterator[Item | BadItem]:
    with kept.open("rb") as stream:
        yield from open_input(spec, stream=stream)


def _nothing_if_unchanged(spec: JobInput, known: str) -> Iterator[Item | BadItem]:
    """To come after the last record, as the source may have changed while it was read."""
    _check_unchanged(spec, known)
    yield from ()


def _check_unchanged(spec: JobInput, known: str) -> None:
    if known and identity_of(spec) != known:
        raise InvalidInput(f"{name_of(spec)} has changed since the job began", field="input")


def records_of(spec: JobInput) -> Iterator[Item | BadItem]:
    """The records of a source of this machine.

    Raises:
        InvalidInput: as `open_input`.
    """
    return open_input(spec, root=data_root() if spec.source.startswith(PREFIX) else None)

"""Where jobs are kept, and how a worker's process is to work."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from rondo_models.config import Precision

from ..engine.scheduler import Limits

WORKER_LIMITS = Limits(
    max_waiting=8192,
    max_waiting_tokens=2_000_000,
    tokens_per_cut=16_384,
    chunk_tokens=8192,
    company=64,
    patience_s=86_400.0,
    cached_prompts=0,
)
"""Of an engine that only batch jobs ask: larger products, a queue that is hardly ever empty, and nothing that depends
on the clock: so where the bits of an answer depend on its company, works that are asked for alone have the same again
(`SerialAsker`)."""


@dataclass(frozen=True, slots=True)
class JobPlace:
    """The store's database and its files, as `JobStore` and `StateFiles` take them."""

    database_url: str
    files_url: str

    @staticmethod
    def in_folder(folder: Path) -> "JobPlace":
        """One that is all in a folder of this machine."""
        url = URL.create("sqlite", database=str(folder.resolve() / "jobs.sqlite"))  # "?" would end a path as it is
        return JobPlace(str(url), str(folder.resolve() / "files"))


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker's process is told.

    Attributes:
        name: of the worker; empty: made of the machine's name and the process.
        job_id: the only job that it works for; empty: all, for ever.
        precision: of reading; None: what is fast on this processor.
        threads: of the matrix kernels.
        lease_s: after so long without a sign of life, its work is given to others.
        ends_with_input: end when standard input does, as it does when the process dies that holds its other end.
    """

    place: JobPlace
    bundle: Path
    name: str = ""
    job_id: str = ""
    precision: Precision | None = None
    threads: int = 1
    lease_s: float = 30.0
    ends_with_input: bool = False

    def values(self) -> dict[str, Any]:
        """Plain values, for `of`."""
        return {**asdict(self), "bundle": str(self.bundle)}

    @staticmethod
    def of(values: dict[str, Any]) -> "WorkerSettings":
        """What `values` gave."""
        return WorkerSettings(**{**values, "bundle": Path(values["bundle"]), "place": JobPlace(**values["place"])})

    def for_job(self, job_id: str, name: str) -> "WorkerSettings":
        """The same, for one job, as a child that ends with its parent."""
        return replace(self, job_id=job_id, name=name, ends_with_input=True)

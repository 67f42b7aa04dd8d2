"""What the store keeps of a job, and what a worker is given to do. Holds no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

JobState = Literal["queued", "running", "finishing", "done", "failed", "cancelling", "cancelled", "expired"]
ENDED: tuple[JobState, ...] = ("done", "failed", "cancelled", "expired")

UnitKind = Literal["plan", "answer", "finish"]
"""plan: read the input and cut it into chunks; answer: a chunk; finish: put the output together."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands.

    Attributes:
        id: nobody can guess it.
        kind: "job", or "batch" for OpenAI's; each is listed apart.
        owner: name of the key that it came with; empty: everybody's.
        spec: a `JobSpec` as plain values.
        bundle: fingerprint of the bundle that has to answer.
        created_at, started_at, ended_at, expires_at: seconds since 1970; None if not (yet).
        num_planned: records that were cut into chunks so far; all of them once `all_planned`.
        num_answered, num_bad: records of completed chunks that were answered, and that could not be.
        error: why it failed.
        result: what the last step said, such as names of files and metrics.
    """

    id: str
    kind: str
    owner: str
    spec: Mapping[str, Any]
    bundle: str
    state: JobState
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    expires_at: float | None = None
    num_planned: int = 0
    all_planned: bool = False
    num_answered: int = 0
    num_bad: int = 0
    error: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class JobTally:
    """All jobs of a store together.

    Attributes:
        states: how many jobs are in each state that any is in.
        num_planned, num_answered, num_bad: records, as `Job` has them.
    """

    states: Mapping[JobState, int]
    num_planned: int
    num_answered: int
    num_bad: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive records, packed (`items.packed`) one a line in a file of the state folder.

    Attributes:
        number: from 0, without gaps.
        first: index of the first record.
        count: records, bad ones too.
        input: name of the file, in `StateFiles`.
    """

    number: int
    first: int
    count: int
    input: str


@dataclass(frozen=True, slots=True)
class DoneChunk:
    """A chunk whose answers are there; `output` and `errors` are names in `StateFiles`, "" where there is nothing."""

    number: int
    count: int
    output: str
    errors: str
    num_answered: int
    num_bad: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do a unit of a job's work until it runs out; whoever has the token may say that it is done.

    Attributes:
        chunk: to be answered; None unless `kind` is "answer".
        attempt: 1 the first time.
        num_chunks, num_records: what has been planned so far, for whoever goes on planning.
    """

    job: Job
    kind: UnitKind
    token: str
    attempt: int
    chunk: Chunk | None = None
    num_chunks: int = 0
    num_records: int = 0


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that was uploaded, or that a job wrote for users.

    Attributes:
        name: in `StateFiles`.
        filename: as the user calls it.
        created_at, expires_at: seconds since 1970; None: never.
    """

    id: str
    owner: str
    filename: str
    purpose: str
    num_bytes: int
    created_at: float
    expires_at: float | None
    name: str

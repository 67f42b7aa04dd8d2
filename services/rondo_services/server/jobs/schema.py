"""Requests and replies of `/v1/jobs`."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...jobs.spec import JobSpec
from ...jobs.types import Job, JobState

MOST_LISTED = 100

Part = Literal["predictions", "errors", "report.json", "report.html", "report.md"]


class JobRequest(JobSpec):
    """A job as it is asked for. Its input is a file that was sent to `/v1/files` with purpose job."""

    service: Literal["sentiment", "translation", "summarization", "generation", "perplexity"]


class JobProgress(BaseModel):
    """How far a job is.

    Attributes:
        num_planned: records of the input; of its beginning until `all_planned`.
        num_answered, num_bad: of those, which were answered and which could not be.
        rate: records a second, lately; null if none is known.
        seconds_left: at this rate; null if that is not known.
    """

    state: JobState
    num_planned: int
    all_planned: bool
    num_answered: int
    num_bad: int
    rate: float | None
    seconds_left: float | None


class JobReply(JobProgress):
    """A job as it stands; times are seconds since 1970.

    Attributes:
        error: why it failed.
        parts: of its result, as `/result?part=` has them.
        result: what came of it besides, such as metrics.
    """

    id: str
    spec: JobSpec
    bundle: str
    created_at: float
    started_at: float | None
    ended_at: float | None
    error: str | None
    parts: list[str]
    result: dict[str, Any] | None


class JobList(BaseModel):
    """Some of the caller's jobs, newest first."""

    data: list[JobReply]
    has_more: bool


class DeletedJob(BaseModel):
    """It is gone, with its result."""

    id: str
    deleted: Literal[True] = True


class JobQuery(BaseModel):
    """Which jobs to list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(20, ge=1, le=MOST_LISTED)
    after: str | None = Field(None, description="The last id of the page before.")


class ResultQuery(BaseModel):
    """Which part of a result."""

    model_config = ConfigDict(extra="forbid")

    part: Part = "predictions"


_FILES: Mapping[str, Part] = {"predictions.jsonl": "predictions", "errors.jsonl": "errors"}


def parts_of(job: Job) -> dict[str, str]:
    """Names of the files of a result, in `StateFiles`, by the part that they are."""
    names = (job.result or {}).get("files", {}).values()
    return {_FILES.get(own := name.rpartition("/")[2], own): name for name in names}


def progress_of(job: Job, now: float, before: tuple[float, int] | None = None) -> dict[str, Any]:
    """The fields of `JobProgress`.

    Args:
        now: second since 1970.
        before: an earlier second and how many records were done then; None: the job's beginning.
    """
    done = job.num_answered + job.num_bad
    since, then = before if before is not None and before[1] < done else (job.started_at, 0)
    until = now if job.ended_at is None else job.ended_at
    rate = (done - then) / (until - since) if since is not None and until > since and done > then else None
    left = None
    if job.has_ended:
        left = 0.0
    elif rate is not None and job.all_planned:
        left = (job.num_planned - done) / rate
    return {
        "state": job.state,
        "num_planned": job.num_planned,
        "all_planned": job.all_planned,
        "num_answered": job.num_answered,
        "num_bad": job.num_bad,
        "rate": None if rate is None else round(rate, 2),
        "seconds_left": None if left is None else round(left, 1),
    }


def reply_of(job: Job, now: float) -> JobReply:
    """A job as it is told."""
    result = None if job.result is None else {name: value for name, value in job.result.items() if name != "files"}
    return JobReply(
        **progress_of(job, now),
        id=job.id,
        spec=JobSpec.model_validate(job.spec),
        bundle=job.bundle,
        created_at=job.created_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        error=job.error,
        parts=list(parts_of(job)),
        result=result or None,
    )

"""`/v1/batches`: files of requests that are answered behind the scenes, as the OpenAI API has them."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.concurrency import run_in_threadpool

from ....access.control import charge, request_caller
from ....errors import InvalidInput, NotServed, UnknownObject
from ....jobs.spec import JobInput, JobSpec
from ....jobs.types import Job, JobState
from ....releases.fleet import Fleet
from ....schema import Schema
from ...jobs.desk import JobDesk
from ...jobs.keeping import storage_errors
from ...jobs.replies import replies_so_far
from ...jobs.request_lines import LineLimits, num_characters, problems_of
from ...models import model_id
from ...settings import ServerSettings
from .errors import documented

PATH = "/v1/batches"
KIND = "batch"
ENDPOINTS = {
    "/v1/completions": "generation",
    "/v1/generate": "generation",
    "/v1/sentiment": "sentiment",
    "/v1/summarize": "summarization",
    "/v1/translate": "translation",
}
"""The paths that a batch may be for, with their services."""

_WINDOW_S = 24 * 3600.0
_CHUNK = 64
"""So many requests are answered anew after a crash."""

Endpoint = Literal["/v1/completions", "/v1/generate", "/v1/sentiment", "/v1/summarize", "/v1/translate"]
Status = Literal["validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"]
_Key = Annotated[str, StringConstraints(max_length=64)]
_Value = Annotated[str, StringConstraints(max_length=512)]
_Metadata = Annotated[dict[_Key, _Value], Field(max_length=16)]


class Expiry(Schema):
    """When files that a batch writes are deleted."""

    anchor: Literal["created_at"]
    seconds: int = Field(ge=3600, le=2_592_000, description="After their creation.")


class BatchRequest(Schema):
    """A file with requests, and where they go."""

    input_file_id: str = Field(description="Of a file with purpose batch.", examples=["file-0123456789abcdef"])
    endpoint: Endpoint = Field(description="Of all requests; but for the first, they are not in the OpenAI API.")
    completion_window: Literal["24h"]
    metadata: _Metadata | None = None
    output_expires_after: Expiry | None = None


class BatchError(BaseModel):
    """What is wrong with a line of the input, or with all of it."""

    code: str
    message: str
    param: str | None
    line: int | None


class BatchErrors(BaseModel):
    """All that is wrong, or the first of it."""

    object: Literal["list"] = "list"
    data: list[BatchError]


class RequestCounts(BaseModel):
    """Requests of a batch; `total` grows while the file is read."""

    total: int
    completed: int
    failed: int


class Batch(BaseModel):
    """A batch as it stands; times are seconds since 1970."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: str
    model: str
    errors: BatchErrors | None
    input_file_id: str
    completion_window: Literal["24h"] = "24h"
    status: Status
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: RequestCounts
    metadata: dict[str, str] | None


class BatchList(BaseModel):
    """Some of the caller's batches, newest first."""

    object: Literal["list"] = "list"
    data: list[Batch]
    first_id: str | None
    last_id: str | None
    has_more: bool


class BatchQuery(BaseModel):
    """Which batches to list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(20, ge=1, le=100)
    after: str | None = Field(None, description="The last id of the page before.")


def router(desk: JobDesk, fleet: Fleet, settings: ServerSettings) -> APIRouter:
    """Routes of batches."""
    routes = APIRouter(tags=["openai"])
    limits = LineLimits.of(settings)
    told = partial(_told, desk=desk, fleet=fleet, limits=limits)

    @routes.post(PATH, responses=documented(400, 404, 413, 415, 429, 503, "4XX"))
    async def create(request: BatchRequest) -> Batch:
        """Have the requests of a file answered. Whether it can be read turns out while the batch is `validating`."""
        suite = fleet.default_suite()
        if ENDPOINTS[request.endpoint] not in suite.served():
            raise NotServed(f"{request.endpoint} is not served here", field="endpoint")
        try:
            file = await desk.file(request.input_file_id)
            if file.purpose != "batch":
                message = f"the purpose of {file.id} is {file.purpose}; it has to be batch"
                raise InvalidInput(message, field="input_file_id")
            if request_caller.get() is not None:
                charge(await desk.counted(file, partial(num_characters, limits=limits)))
        except UnknownObject as error:
            raise UnknownObject(error.message, field="input_file_id") from error
        spec = JobSpec(service="requests", input=JobInput(source=file.id, format="jsonl"), chunk=_CHUNK)
        kept = request.output_expires_after
        metadata = {
            "endpoint": request.endpoint,
            "metadata": request.metadata,
            "output_kept_s": None if kept is None else kept.seconds,
        }
        job = await desk.add_job(
            KIND, spec.model_dump(mode="json"), suite.contents.fingerprint, metadata, desk.now() + _WINDOW_S
        )
        return await told(job)

    @routes.get(PATH, responses=documented(400, 404, 503, "4XX"))
    async def batches(query: Annotated[BatchQuery, Query()]) -> BatchList:
        """The caller's batches."""
        found, has_more = await desk.jobs(KIND, query.after, query.limit)
        page = [await told(job) for job in found]
        return BatchList(
            data=page,
            first_id=page[0].id if page else None,
            last_id=page[-1].id if page else None,
            has_more=has_more,
        )

    @routes.get(f"{PATH}/{{batch_id}}", responses=documented(404, 503, "4XX"))
    async def one_batch(batch_id: str) -> Batch:
        """How far a batch is."""
        return await told(await desk.job(batch_id, KIND))

    @routes.post(f"{PATH}/{{batch_id}}/cancel", responses=documented(404, 503, "4XX"))
    async def cancel(batch_id: str) -> Batch:
        """Give a batch up; nothing happens if it has ended. What was answered until then is in its files."""
        return await told(await desk.cancel(await desk.job(batch_id, KIND)))

    return routes


async def _told(job: Job, desk: JobDesk, fleet: Fleet, limits: LineLimits) -> Batch:
    status, ended_at = _status(job), _seconds(job.ended_at)
    at: dict[str, int | None] = {status: ended_at}
    result = await _result(job, desk, limits)
    error = problems_of(job.error or "no reason is known") if status == "failed" else None
    return Batch(
        id=job.id,
        endpoint=job.metadata["endpoint"],
        model=model_id(fleet.default.current.suite, ENDPOINTS[job.metadata["endpoint"]]),
        errors=None
        if error is None
        else BatchErrors(data=[BatchError(code=e.code, message=e.message, param=e.param, line=e.line) for e in error]),
        input_file_id=job.spec["input"]["source"],
        status=status,
        output_file_id=result.get("output_file_id"),
        error_file_id=result.get("error_file_id"),
        created_at=int(job.created_at),
        in_progress_at=_seconds(job.metadata.get("in_progress_at")),
        expires_at=int(job.created_at + _WINDOW_S if job.expires_at is None else job.expires_at),
        finalizing_at=_seconds(job.metadata.get("finalizing_at")),
        completed_at=at.get("completed"),
        failed_at=at.get("failed"),
        expired_at=at.get("expired"),
        cancelling_at=_seconds(job.metadata.get("cancelling_at")),
        cancelled_at=at.get("cancelled"),
        request_counts=RequestCounts(total=job.num_planned, completed=job.num_answered, failed=job.num_bad),
        metadata=job.metadata["metadata"],
    )


async def _result(job: Job, desk: JobDesk, limits: LineLimits) -> Mapping[str, Any]:
    """Ids of the files that a batch has written; those of one that ended before its time are written now."""
    ended_at = job.ended_at
    if job.result is not None or ended_at is None:
        return job.result or {}
    kept_s = job.metadata.get("output_kept_s") or desk.kept_s

    def written() -> Mapping[str, Any]:
        with storage_errors():
            return replies_so_far(job, *desk.open(), ended_at, kept_s, limits)

    return await run_in_threadpool(written)


_STATUS: dict[JobState, Status] = {
    "queued": "validating",
    "running": "in_progress",
    "finishing": "finalizing",
    "done": "completed",
    "failed": "failed",
    "cancelling": "cancelling",
    "cancelled": "cancelled",
    "expired": "expired",
}


def _status(job: Job) -> Status:
    """A batch is validated until all its lines have been looked at, and in progress until its files are begun."""
    if job.state == "running" and "in_progress_at" not in job.metadata:
        return "validating"
    if job.state == "finishing" and "finalizing_at" not in job.metadata:
        return "in_progress"
    return _STATUS[job.state]


def _seconds(moment: float | None) -> int | None:
    return None if moment is None else int(moment)

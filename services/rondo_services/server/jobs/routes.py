"""`/v1/jobs`: whole files through a service, at batch priority."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from ...access.control import charge, request_caller
from ...errors import InvalidInput, NotServed, UnknownObject, WrongState
from ...jobs.inputs import open_input, with_format_of
from ...jobs.items import BadItem, Item
from ...jobs.spec import EXPECTED, JobInput, JobSpec
from ...jobs.tasks.choice import task_of
from ...releases.fleet import Fleet
from ..errors import DOCUMENTED, ErrorReply
from ..settings import ServerSettings
from .desk import JobDesk
from .keeping import blocks_of
from .means import UPLOADED
from .progress import progress_events
from .schema import DeletedJob, JobList, JobQuery, JobReply, JobRequest, Part, ResultQuery, parts_of, reply_of

PATH = "/v1/jobs"
KIND = "job"

_NAMED = "data:"
_MEDIA_TYPES: dict[Part, str] = {
    "predictions": "application/x-ndjson",
    "errors": "application/x-ndjson",
    "report.json": "application/json",
    "report.html": "text/html; charset=utf-8",
    "report.md": "text/markdown; charset=utf-8",
}
_REPORT_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""A report is one page with its own styles and drawings; it loads and runs nothing."""

_GET: dict[int | str, dict[str, Any]] = {
    401: DOCUMENTED[401],
    404: {"model": ErrorReply, "description": "There is no such job, or it is somebody else's."},
    503: {"model": ErrorReply, "description": "The store of jobs does not answer."},
    "4XX": {"model": ErrorReply, "description": "The request is refused."},
}
_CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": ErrorReply, "description": "The job has not ended, or in another way."}
}
_POST: dict[int | str, dict[str, Any]] = {
    **{status: DOCUMENTED[status] for status in (400, 413, 415, 422, 429)},
    **_GET,
}


def router(desk: JobDesk, fleet: Fleet, settings: ServerSettings) -> APIRouter:
    """Routes of jobs."""
    routes = APIRouter(tags=["jobs"])

    @routes.post(PATH, status_code=201, responses=_POST)
    async def create(request: JobRequest) -> JobReply:
        """Have each record of a file answered. The reply comes at once; ask for the job by its id."""
        suite = fleet.default_suite()
        spec = JobSpec.model_validate(request.model_dump())
        _check_expected(spec)
        try:
            task_of(spec, suite)  # whether the service is there, and its options can be
        except NotServed as error:
            raise NotServed(error.message, field="service") from error
        spec = spec.model_copy(update={"input": await _checked_input(desk, spec.input, settings)})
        job = await desk.add_job(KIND, spec.model_dump(mode="json"), suite.contents.fingerprint, {})
        return reply_of(job, desk.now())

    @routes.get(PATH, responses=_GET)
    async def jobs(query: Annotated[JobQuery, Query()]) -> JobList:
        """The caller's jobs."""
        found, has_more = await desk.jobs(KIND, query.after, query.limit)
        return JobList(data=[reply_of(job, desk.now()) for job in found], has_more=has_more)

    @routes.get(f"{PATH}/{{job_id}}", responses=_GET)
    async def one_job(job_id: str) -> JobReply:
        """How far a job is."""
        return reply_of(await desk.job(job_id, KIND), desk.now())

    @routes.get(
        f"{PATH}/{{job_id}}/events",
        response_class=StreamingResponse,
        responses={200: {"content": _EVENTS, "description": "Progress, and at the end the job, or an error."}, **_GET},
    )
    async def events(job_id: str) -> StreamingResponse:
        """How a job goes on: `progress` events, then one `job` event, or `error` if no more can be told."""
        job = await desk.job(job_id, KIND)
        return StreamingResponse(progress_events(desk, job), media_type="text/event-stream")

    @routes.post(f"{PATH}/{{job_id}}/cancel", responses=_GET)
    async def cancel(job_id: str) -> JobReply:
        """Give a job up; nothing happens if it has ended."""
        return reply_of(await desk.cancel(await desk.job(job_id, KIND)), desk.now())

    @routes.get(
        f"{PATH}/{{job_id}}/result",
        response_class=StreamingResponse,
        responses={200: {"content": _PARTS, "description": "The part."}, **_GET, **_CONFLICT},
    )
    async def result(job_id: str, query: Annotated[ResultQuery, Query()]) -> StreamingResponse:
        """A part of what a job came to, once it is done."""
        job = await desk.job(job_id, KIND)
        if job.state != "done":
            why = f": {job.error}" if job.error else ""
            raise WrongState(f"the job is {job.state}{why}; only one that is done has a result", field="id")
        parts = parts_of(job)
        if query.part not in parts:
            raise UnknownObject(f"this job has no {query.part}; it has {', '.join(parts)}", field="part")
        file = await desk.open_file(parts[query.part])
        headers = {"Content-Security-Policy": _REPORT_POLICY} if query.part == "report.html" else None
        return StreamingResponse(blocks_of(file), media_type=_MEDIA_TYPES[query.part], headers=headers)

    @routes.delete(f"{PATH}/{{job_id}}", responses={**_GET, **_CONFLICT})
    async def delete(job_id: str) -> DeletedJob:
        """Forget a job that has ended, with its result."""
        job = await desk.job(job_id, KIND)
        await desk.delete_job(job)
        return DeletedJob(id=job.id)

    return routes


_EVENTS: dict[str, Any] = {"text/event-stream": {"schema": {"type": "string"}}}
_PARTS: dict[str, Any] = {
    kind.partition(";")[0]: {"schema": {} if "json" in kind else {"type": "string"}} for kind in _MEDIA_TYPES.values()
}


def _check_expected(spec: JobSpec) -> None:
    if not spec.evaluate or spec.input.source.startswith(_NAMED):  # named data sets know what is expected
        return
    wanted, given = EXPECTED.get(spec.service), spec.input.expected
    if wanted is not None and given is None:
        message = f"name the column of the {wanted} in input.expected; there is nothing to measure else"
        raise InvalidInput(message, field="input.expected")
    if wanted is None and given is not None:
        raise InvalidInput(
            f"input.expected: nothing is expected of {spec.service}; leave it out", field="input.expected"
        )


async def _checked_input(desk: JobDesk, spec: JobInput, settings: ServerSettings) -> JobInput:
    """The input as the job will read it; its characters are charged to the caller's key.

    Raises:
        InvalidInput: it is none that a server reads, or can't be read.
        LimitReached: the key may not send so much now.
    """
    if spec.source.startswith(_NAMED):
        if settings.data is None:
            raise InvalidInput("this server has no named data sets; send a file to /v1/files", field="input.source")
        await _charge(partial(open_input, spec, root=settings.data))
        return spec
    if not spec.source.startswith(UPLOADED):
        message = "send a file to /v1/files with purpose job, and give its id here; the server opens no paths and URLs"
        raise InvalidInput(message, field="input.source")
    try:
        file = await desk.file(spec.source)
        if file.purpose != KIND:
            raise InvalidInput(f"the purpose of {file.id} is {file.purpose}; it has to be job", field="input.source")
        told = with_format_of(spec, file.filename)

        def opened(source: str) -> BinaryIO:
            return desk.content(file.name)

        await _charge(partial(open_input, told, open_file=opened))
    except UnknownObject as error:
        raise InvalidInput(error.message, field="input.source") from error
    return told


async def _charge(opened: Callable[[], Iterator[Item | BadItem]]) -> None:
    """Charge the characters of an input to the caller's key; without one, only see whether it can be read."""
    if request_caller.get() is None:
        await run_in_threadpool(lambda: next(opened(), None))
        return
    num_characters = await run_in_threadpool(lambda: sum(len(item.text) for item in opened() if isinstance(item, Item)))
    charge(num_characters)

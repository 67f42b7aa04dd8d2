"""`POST /translate_file`: translate a file while the client waits, or, with `Prefer: respond-async`, behind its back.

LibreTranslate only has the first. The second is answered 202 with the address where to ask how far it is (RFC 7240).
"""

import re

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from ....access.control import charge, identify
from ....documents.formats import extension_of
from ....documents.translation import language_of
from ....errors import InvalidInput, NotServed, RondoError
from ....languages import AUTO
from ....releases.fleet import Fleet
from ....translation.pivot import targets_of
from ...abandonment import while_connected
from ...door import request_places
from ...files.jobs import FileJob, FileJobs, Upload
from ...headers import terms_of
from ...routes import EngineRoute
from ..native import native
from .description import upload_of
from .errors import documented
from .fields import MULTIPART, fields_of
from .schema import FileFields, FileReply, FileStatus
from .texts import pairs_of

_ASYNC = re.compile(r"(?:^|[,;\s])respond-async(?:$|[,;\s=])", re.IGNORECASE)


def routers(jobs: FileJobs, fleet: Fleet, timeout_s: float) -> list[APIRouter]:
    """Routes of files.

    Args:
        timeout_s: how long a translation may take.
    """
    return [_translation(jobs, fleet, timeout_s), _results(jobs)]


def _translation(jobs: FileJobs, fleet: Fleet, timeout_s: float) -> APIRouter:
    routes = APIRouter(tags=["libretranslate"], route_class=EngineRoute)

    @routes.post(
        "/translate_file",
        responses={
            202: {"model": FileStatus, "description": "It is being translated; Location says where to ask."},
            **documented(400, 403, 413, 415, 429, 503, 504, "4XX"),
        },
        openapi_extra=upload_of(FileFields),
        response_model=FileReply,
        response_model_exclude_none=True,
    )
    async def translate_file(http: Request) -> FileReply | JSONResponse:
        """Translate a .txt, .srt, .html, .po or .docx file.

        With `Prefer: respond-async` the reply comes at once, and says where to ask how far it is.
        """
        terms = terms_of(http.scope["headers"], timeout_s)
        if http.headers.get("content-type", "").partition(";")[0].strip().lower() != MULTIPART:
            raise HTTPException(415, f"send the file as {MULTIPART}")
        async with fields_of(http) as fields:
            upload = fields.pop("file", None)
            request = native(FileFields, fields)
            identify(request.api_key)
            if not isinstance(upload, UploadFile) or not upload.filename:
                raise InvalidInput("file: send one file with its name", field="file")
            extension_of(upload.filename)
            request_places.get().give_back()  # it will ask for places little by little
            jobs.check_room()
            file = Upload(upload.filename, await upload.read(), request.overwrite == "true")
        assert terms.deadline is not None
        passages = await while_connected(http, jobs.passages_of(file, terms.deadline))
        charge(sum(len(passage.text) for passage in passages))
        suite = fleet.suite_for("translation")
        pairs, likely = pairs_of(suite), suite.tokenizer.target_ids
        source = language_of(passages, likely) if request.source == AUTO else request.source
        if passages and request.target not in targets_of(pairs, source):
            raise NotServed(f"no translation {source}→{request.target}", field="source")
        job = jobs.start(file, passages, source, request.target, pairs, terms.deadline)
        if _ASYNC.search(http.headers.get("prefer", "")):
            asked_at = str(http.url_for("file_status", identifier=job.id))
            headers = {"Location": asked_at, "Preference-Applied": "respond-async"}
            return JSONResponse(_status(http, job).model_dump(exclude_none=True), 202, headers)
        await while_connected(http, jobs.result(job))
        return FileReply(translatedFileUrl=_url(http, job), warnings=list(job.warnings) or None)

    return routes


def _results(jobs: FileJobs) -> APIRouter:
    routes = APIRouter(tags=["libretranslate"])

    @routes.get("/translate_file/{identifier}", responses=documented(404, "4XX"), response_model_exclude_none=True)
    async def file_status(identifier: str, http: Request) -> FileStatus:
        """How far a file is that is translated behind the client's back."""
        return _status(http, _job(jobs, identifier))

    @routes.delete("/translate_file/{identifier}", status_code=204, responses=documented(404, "4XX"))
    async def cancel_file(identifier: str) -> None:
        """Give a translation up; nothing happens if it has ended."""
        jobs.cancel(_job(jobs, identifier))

    @routes.get(
        "/download_file/{name}",
        response_class=FileResponse,
        responses={
            200: {
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
                "description": "The file.",
            },
            **documented(404, "4XX"),
        },
    )
    async def download_file(name: str) -> FileResponse:
        """A translated file, for as long as it is kept."""
        file = jobs.store.find(name)
        if file is None:
            raise HTTPException(404, "there is no such file, or no longer")
        return FileResponse(file.path, filename=file.download_name, media_type="application/octet-stream")

    return routes


def _job(jobs: FileJobs, identifier: str) -> FileJob:
    job = jobs.find(identifier)
    if job is None:
        raise HTTPException(404, "no such file is being translated, or not any more")
    return job


def _url(http: Request, job: FileJob) -> str:
    return str(http.url_for("download_file", name=job.name))


def _status(http: Request, job: FileJob) -> FileStatus:
    return FileStatus(
        id=job.id,
        status=job.status,
        progress=job.progress,
        translatedFileUrl=None if job.name is None else _url(http, job),
        warnings=list(job.warnings) or None,
        error=None if job.error is None else _message(job.error),
    )


def _message(error: Exception) -> str:
    return error.message if isinstance(error, RondoError) else "an error of ours; it has been logged"

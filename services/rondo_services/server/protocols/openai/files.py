"""`/v1/files`: what batches read and write, as the OpenAI API has it; also what native jobs read."""

from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ....jobs.types import StoredFile
from ....schema import Schema
from ...jobs.desk import JobDesk
from ...jobs.keeping import blocks_of
from ...jobs.uploads import uploaded
from ..native import native
from .errors import documented

PATH = "/v1/files"

_SHORTEST_S, _LONGEST_S = 3600, 2_592_000
_DEFAULT_LIMIT = 10_000

Purpose = Literal["batch", "batch_output", "job"]
"""batch: requests for `/v1/batches`; batch_output: what those wrote; job: an input of `/v1/jobs`."""


class FileForm(Schema):
    """What goes with a file that is sent."""

    purpose: Literal["batch", "job"] = Field(description="batch: for /v1/batches; job: for /v1/jobs.")
    anchor: Literal["created_at"] | None = Field(None, alias="expires_after[anchor]")
    seconds: str | None = Field(
        None,
        alias="expires_after[seconds]",
        pattern="^[0-9]{4,7}$",
        description=f"How long to keep it, {_SHORTEST_S} to {_LONGEST_S}; by default as the server is set.",
    )

    @model_validator(mode="after")
    def _goes_together(self) -> "FileForm":
        if (self.anchor is None) != (self.seconds is None):
            raise ValueError("expires_after needs both anchor and seconds")
        if self.seconds is not None and not _SHORTEST_S <= int(self.seconds) <= _LONGEST_S:
            raise ValueError(f"expires_after[seconds] must be from {_SHORTEST_S} to {_LONGEST_S}")
        return self


class FileObject(BaseModel):
    """A file; times are seconds since 1970."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: Purpose
    status: Literal["processed"] = "processed"
    status_details: None = None


class FileList(BaseModel):
    """Some of the caller's files."""

    object: Literal["list"] = "list"
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedFile(BaseModel):
    """It is gone."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


class FileQuery(BaseModel):
    """Which files to list."""

    model_config = ConfigDict(extra="forbid")

    purpose: Purpose | None = Field(None, description="Only files for this.")
    limit: int = Field(_DEFAULT_LIMIT, ge=1, le=_DEFAULT_LIMIT)
    order: Literal["asc", "desc"] = Field("desc", description="By the time of creation.")
    after: str | None = Field(None, description="The last id of the page before.")


def router(desk: JobDesk, max_bytes: int) -> APIRouter:
    """Routes of files.

    Args:
        max_bytes: of a file.
    """
    routes = APIRouter(tags=["openai"])

    @routes.post(
        PATH, responses=documented(400, 413, 415, 503, "4XX"), openapi_extra=_form(), response_model=FileObject
    )
    async def upload(http: Request) -> FileObject:
        """Keep a file for a batch or a job."""
        async with uploaded(http, max_bytes) as sent:
            form = native(FileForm, sent.fields)
            kept_s = None if form.seconds is None else float(form.seconds)
            file = await desk.add_file(sent.content, sent.num_bytes, sent.filename, form.purpose, kept_s)
        return _told(file)

    @routes.get(PATH, responses=documented(400, 404, 503, "4XX"))
    async def files(query: Annotated[FileQuery, Query()]) -> FileList:
        """The caller's files."""
        found = await desk.files()
        if query.order == "asc":
            found.reverse()
        if query.after is not None:
            last = await desk.file(query.after)
            found = found[[file.id for file in found].index(last.id) + 1 :]
        found = [file for file in found if query.purpose in (None, file.purpose)]
        page = [_told(file) for file in found[: query.limit]]
        return FileList(
            data=page,
            first_id=page[0].id if page else None,
            last_id=page[-1].id if page else None,
            has_more=len(found) > query.limit,
        )

    @routes.get(f"{PATH}/{{file_id}}", responses=documented(404, 503, "4XX"))
    async def one_file(file_id: str) -> FileObject:
        """What is known of a file."""
        return _told(await desk.file(file_id))

    @routes.get(
        f"{PATH}/{{file_id}}/content",
        response_class=StreamingResponse,
        responses={**_CONTENT, **documented(404, 503, "4XX")},
    )
    async def content(file_id: str) -> StreamingResponse:
        """The file itself."""
        file = await desk.file(file_id)
        headers = {
            "Content-Length": str(file.num_bytes),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.filename, safe='')}",
        }
        opened = await desk.open_file(file.name)
        return StreamingResponse(blocks_of(opened), media_type="application/octet-stream", headers=headers)

    @routes.delete(f"{PATH}/{{file_id}}", responses=documented(404, 503, "4XX"))
    async def delete(file_id: str) -> DeletedFile:
        """Forget a file; a batch or job that has not read all of it yet fails."""
        file = await desk.file(file_id)
        await desk.delete_file(file)
        return DeletedFile(id=file.id)

    return routes


_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        "description": "The file.",
    }
}


def _told(file: StoredFile) -> FileObject:
    return FileObject(
        id=file.id,
        bytes=file.num_bytes,
        created_at=int(file.created_at),
        expires_at=None if file.expires_at is None else int(file.expires_at),
        filename=file.filename,
        purpose=file.purpose,
    )


def _form() -> dict[str, Any]:
    schema = FileForm.model_json_schema()
    schema["properties"] = {"file": {"type": "string", "format": "binary"}, **schema["properties"]}
    schema["required"] = ["file", *schema["required"]]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}

"""A form with one file, which is written to disk as it comes."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from ...errors import InvalidInput, TooLarge
from ..limits import media_type
from .keeping import storage_errors

FORM_BYTES = 100_000
"""Room for the other fields and the boundaries of a form."""

_MULTIPART = b"multipart/form-data"
_MOST_PARTS = 20
_LONGEST_NAME = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that has come.

    Attributes:
        content: to be read from its beginning.
        num_bytes: of it.
        filename: as the sender calls it, without folders.
        fields: the others of the form.
    """

    content: BinaryIO
    num_bytes: int
    filename: str
    fields: Mapping[str, Any]


@asynccontextmanager
async def uploaded(http: Request, max_bytes: int) -> AsyncIterator[Upload]:
    """The file of a form, which is there while this is open.

    Raises:
        InvalidInput: the form can't be read, there is not one file with a name, or a field comes twice.
        TooLarge: it has more than `max_bytes`.
        JobStoreError: there is no room on the disk.
        HTTPException: 415, the body is no form.
    """
    if media_type(http.headers.get("content-type", "").encode("latin-1")) != _MULTIPART:
        raise HTTPException(415, f"send the file as {_MULTIPART.decode()}")
    form = await _form(http)
    try:
        yield _upload(form, max_bytes)
    finally:
        await form.close()


def _upload(form: FormData, max_bytes: int) -> Upload:
    fields: dict[str, Any] = {}
    for name, value in form.multi_items():
        if name in fields:
            raise InvalidInput(f"{name}: send it once", field=name)
        fields[name] = value
    file = fields.pop("file", None)
    if not isinstance(file, UploadFile) or not (filename := _base_name(file.filename or "")):
        raise InvalidInput("file: send one file with its name", field="file")
    if len(filename) > _LONGEST_NAME:
        raise InvalidInput(f"file: its name is longer than {_LONGEST_NAME} characters", field="file")
    for name, value in fields.items():
        if isinstance(value, UploadFile):
            raise InvalidInput(f"{name}: send it as a text; only the field file is a file", field=name)
    num_bytes = file.size or 0
    if num_bytes > max_bytes:
        raise TooLarge(f"the file is larger than {max_bytes} bytes", field="file")
    return Upload(file.file, num_bytes, filename, fields)


async def _form(http: Request) -> FormData:
    try:
        with storage_errors():
            return await http.form(max_files=_MOST_PARTS, max_fields=_MOST_PARTS, max_part_size=FORM_BYTES)
    except HTTPException as error:
        raise InvalidInput(f"the form can't be read: {error.detail}") from error


def _base_name(name: str) -> str:
    """Without folders, and without what is no character of a name."""
    return _CONTROL.sub("", name.replace("\\", "/").rpartition("/")[2])

"""Files as users have them: their bytes in `StateFiles`, what they are called in the store."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from ...errors import InvalidInput
from ...jobs.errors import JobStoreError
from ...jobs.files import StateFiles
from ...jobs.store import JobStore
from ...jobs.types import Job, StoredFile

_BLOCK = 1 << 18
_PAGE = 1000
_FOLDER = "files"


@contextmanager
def storage_errors() -> Iterator[None]:
    """What goes wrong on a disk or in an object storage, such as that it is full, is the store's trouble.

    Raises:
        JobStoreError: instead of OSError.
    """
    try:
        yield
    except OSError as error:
        raise JobStoreError(f"the files of jobs can't be read or written: {error}") from error


def write_file(
    files: StateFiles,
    parts: Iterable[bytes],
    *,
    file_id: str,
    owner: str,
    filename: str,
    purpose: str,
    created_at: float,
    expires_at: float | None,
) -> StoredFile:
    """Write a file's bytes, as they come, in place of one that had its id; what the store has to know of it then."""
    name, num_bytes = f"{_FOLDER}/{file_id}", 0
    with files.open_write(name) as target:
        for part in parts:
            target.write(part)
            num_bytes += len(part)
    return StoredFile(file_id, owner, filename, purpose, num_bytes, created_at, expires_at, name)


def opened_upload(store: JobStore, files: StateFiles, identifier: str) -> BinaryIO:
    """An uploaded file.

    Raises:
        InvalidInput: it has been deleted.
    """
    file = store.file(identifier)
    if file is None:
        raise InvalidInput(f"the file {identifier} has been deleted", field="input.source")
    return files.open_read(file.name)


def files_of(store: JobStore, owner: str | None) -> Iterator[StoredFile]:
    """All files of an owner, or of all, newest first."""
    after = None
    while page := store.files(owner, after=after, limit=_PAGE):
        yield from page
        after = page[-1].id


def drop_file(store: JobStore, files: StateFiles, file: StoredFile) -> None:
    """Forget a file and delete it; if only the first is done, `drop_leftovers` does the second."""
    store.delete_file(file.id)
    files.delete(file.name)


def drop_job(store: JobStore, files: StateFiles, job: Job) -> None:
    """Delete all that only this job needs, and forget it; what its owner has as files stays."""
    files.delete_all(f"jobs/{job.id}")
    store.delete_job(job.id)


def drop_leftovers(store: JobStore, files: StateFiles, before: float) -> None:
    """Delete what was written before that second and nobody has as a file: what died while it was sent or deleted."""
    known = {file.name for file in files_of(store, None)}
    for name in files.names(_FOLDER):
        with suppress(FileNotFoundError):  # others clean up, too
            if name not in known and files.written_at(name) < before:
                files.delete(name)


def blocks_of(file: BinaryIO) -> Iterator[bytes]:
    """The rest of a file, which is closed at its end."""
    with file:
        yield from iter(lambda: file.read(_BLOCK), b"")

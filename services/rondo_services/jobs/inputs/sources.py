"""Opens what a job's source names, and tells whether it is still the same. Knows no format."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from ...datasets.files import DataMissing, data_root
from ...errors import InvalidInput
from ..spec import JobInput
from .named import PREFIX

STANDARD = "-"
_UPLOADED = "file-"
_SIGNS = ("size", "mtime", "created", "LastModified", "last_modified", "updated", "ETag", "etag", "generation")
"""What file systems call that which changes with a file's content."""

_LOCAL_SIGNS = ("size", "mtime")
"""On a disk "created" is when the file came there, or was given other permissions."""


def opened(source: str, open_file: Callable[[str], BinaryIO] | None) -> BinaryIO:
    """A path or URL, opened by `open_file`, or else by fsspec.

    Raises:
        InvalidInput: it can't be opened; the message says why.
    """
    try:
        if open_file is not None:
            return open_file(source)
        files, path = _located(source)
        file: BinaryIO = files.open(path, "rb")
        return file
    except InvalidInput:
        raise
    except Exception as error:  # file systems raise errors of their own
        raise _unreadable(source, error) from error


def identity_of(spec: JobInput, *, root: Path | None = None) -> str:
    """Something that changes when the content of the source probably did: by size and times, without reading it.

    "" for standard input. Of a named data set it is the state of the whole data folder: `root`, or else what the
    environment says. An uploaded file never changes.

    Raises:
        InvalidInput: there is no such source, or it can't be asked.
    """
    if spec.source == STANDARD:
        return ""
    if spec.source.startswith(PREFIX):
        return _identity_of_folder(spec.source, root)
    try:
        files, path = _located(spec.source)
        files.invalidate_cache()
        information = files.info(path)
    except Exception as error:
        if isinstance(error, FileNotFoundError) and spec.source.startswith(_UPLOADED):
            return spec.source
        raise _unreadable(spec.source, error) from error
    signs = _LOCAL_SIGNS if _is_local(files) else _SIGNS
    return _hash([f"{sign}={information[sign]}" for sign in signs if sign in information])


def local_path(source: str) -> Path | None:
    """Where a source is on this machine; None for one that is elsewhere, or is no file."""
    if source == STANDARD or source.startswith(PREFIX):
        return None
    try:
        files, path = _located(source)
    except (ImportError, ValueError):  # unknown to fsspec, which says so when it is opened
        return None
    return Path(path) if _is_local(files) else None


def _identity_of_folder(source: str, root: Path | None) -> str:
    try:
        folder = root or data_root()
    except DataMissing as error:
        raise InvalidInput(f"{source}: {error}", field="input.source") from error
    signs = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        status = path.stat()
        signs.append(f"{path.relative_to(folder)} {status.st_size} {status.st_mtime_ns}")
    return _hash(signs)


def _hash(signs: list[str]) -> str:
    return hashlib.sha256("\n".join(signs).encode(errors="surrogateescape")).hexdigest()


def _located(source: str) -> tuple[Any, str]:
    import fsspec  # here, as it is slow to import, and most of what imports this opens nothing

    files, path = fsspec.url_to_fs(source)
    return files, str(path)


def _is_local(files: Any) -> bool:
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(files, LocalFileSystem)


def _unreadable(source: str, error: Exception) -> InvalidInput:
    match error:
        case FileNotFoundError():  # of a server that does not answer too
            reason = "there is no such file, or no way to it" if "://" in source else "no such file"
        case IsADirectoryError():
            reason = "is a folder; name a file"
        case OSError(strerror=str(strerror)):
            reason = strerror
        case _:
            reason = str(error) or type(error).__name__
    return InvalidInput(f"{source}: {reason}", field="input.source")

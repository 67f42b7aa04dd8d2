"""`StateFiles`: what jobs read and write, as whole files in a folder or in object storage. Knows no formats."""

import os
import posixpath
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, cast

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from ..access.key_file import make_state_folder
from ..whole_files import written_whole
from .errors import JobStoreError

_BLOCK = 1 << 20


class StateFiles:
    """Files under names such as `job_…/chunks/7`, each there as a whole or not at all. Thread-safe.

    On a disk a file is written under another name and then renamed; anywhere else it is collected here first and then
    put as one object.

    Args:
        url: path of a folder, which is made for its owner only, or a URL that fsspec knows, such as `s3://bucket/path`
            or `memory://path`; credentials come from the environment, as the storage's own programs have them.

    Raises:
        JobStoreError: the folder can't be made, or there is no such storage.
    """

    def __init__(self, url: str) -> None:
        try:
            self._fs, self._root = url_to_fs(url, use_listings_cache=False)  # other processes write there too
        except (ImportError, ValueError) as error:
            hint = "; pip install 'rondo-nlp[s3]'" if url.startswith(("s3:", "s3a:")) else ""
            raise JobStoreError(f"files of jobs can't be kept at {url!r}: {error}{hint}") from error
        self._is_local = isinstance(self._fs, LocalFileSystem)
        if self._is_local:
            try:
                make_state_folder(Path(self._root))
            except OSError as error:
                raise JobStoreError(f"the folder {self._root} for files of jobs can't be made: {error}") from error

    def write(self, name: str, data: bytes) -> None:
        """Keep a file, in place of one that may be there."""
        if self._is_local:
            with self.open_write(name) as file:
                file.write(data)
        else:
            self._fs.pipe_file(self._path(name), data)

    def open_write(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A file to write, which is there once the block ends; if it ends with an exception, nothing changes."""
        path = self._path(name)
        return _on_disk(Path(path)) if self._is_local else self._as_object(path)

    def open_read(self, name: str) -> BinaryIO:
        """A file to read; close it.

        Raises:
            FileNotFoundError: it is not there.
        """
        return cast(BinaryIO, self._fs.open(self._path(name), "rb"))

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file to where its user wants it, whole or not at all.

        Raises:
            FileNotFoundError: it is not there.
        """
        with self.open_read(name) as source, written_whole(target) as file:
            shutil.copyfileobj(source, file, _BLOCK)

    def written_at(self, name: str) -> float:
        """When a file was written, in seconds since 1970.

        Raises:
            FileNotFoundError: it is not there.
        """
        moment: datetime = self._fs.modified(self._path(name))
        return moment.timestamp()

    def names(self, folder: str = "") -> Iterator[str]:
        """Names of all that lies there, or below a folder, in order; also of what killed writers left unfinished."""
        start = self._path(folder) if folder else self._root
        try:
            paths = self._fs.find(start)
        except FileNotFoundError:
            return
        for path in paths:
            yield path[len(self._root) :].lstrip("/")

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        with suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))

    def delete_all(self, folder: str) -> None:
        """Delete all files below a folder, also what a writer left that was killed."""
        path = self._path(folder)
        if self._is_local:
            shutil.rmtree(path, ignore_errors=True)  # others may delete some of them at the same moment
            return
        with suppress(FileNotFoundError):
            self._fs.rm(path, recursive=True)

    def _path(self, name: str) -> str:
        parts = name.split("/")
        if any(part in ("", ".", "..") for part in parts) or "\\" in name or "\0" in name:
            raise ValueError(f"{name!r} is no name of a file: names are relative, without '..', as in 'job_1/chunks/7'")
        return posixpath.join(self._root, *parts)

    @contextmanager
    def _as_object(self, path: str) -> Iterator[BinaryIO]:
        with tempfile.NamedTemporaryFile() as file:
            yield cast(BinaryIO, file)
            file.flush()
            self._fs.put_file(file.name, path)


@contextmanager
def _on_disk(path: Path) -> Iterator[BinaryIO]:
    make_state_folder(path.parent)
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)  # its folder may have been deleted meanwhile
        raise

"""Translated files on disk, for a bounded time and in a bounded number, under names that nobody can guess."""

import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...access.key_file import make_state_folder

_PREFIX = "translated-"
_LEFT_BEHIND = 4
"""A folder to which nothing was added for so many times as long as a file is kept has no file that anybody may have."""

_LONGEST_STEM = 80
_NOT_KEPT = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that can be fetched until second `expires_at` of the clock."""

    path: Path
    download_name: str
    num_bytes: int
    expires_at: float


def translated_name(name: str, target: str) -> str:
    """What a file is called once it is translated: `report.txt` becomes `report_de.txt`."""
    own = PurePosixPath(name.replace("\\", "/").rpartition("/")[2])
    stem = _NOT_KEPT.sub("_", own.stem)[:_LONGEST_STEM].strip(".") or "file"
    return f"{stem}_{target}{own.suffix.lower()}"


class FileStore:
    """A folder of its own for as long as it is open; what is too old or too much is deleted, oldest first. Thread-safe.

    Args:
        parent: where the folder is made, with the first file.
        kept_s: how long a file is kept.
        most_files, most_bytes: how much is kept; a larger file alone is kept all the same.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        parent: Path,
        kept_s: float,
        most_files: int,
        most_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parent = parent
        self._kept_s = kept_s
        self._most_files = most_files
        self._most_bytes = most_bytes
        self._clock = clock
        self._folder: Path | None = None
        self._files: dict[str, StoredFile] = {}
        self._lock = threading.RLock()

    def open(self) -> None:
        """Make the folder, if it is not there, and delete those of servers that were killed.

        Raises:
            OSError: it can't be made.
        """
        with self._lock:
            if self._folder is None or not self._folder.is_dir():
                make_state_folder(self._parent)
                self._drop_left_behind()
                self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))

    def keep(self, download_name: str, data: bytes) -> str:
        """Store a file; the name by which `find` has it. On the disk it has no part of the given name.

        Raises:
            OSError: it can't be written.
        """
        token = secrets.token_hex(16)
        name = f"{token}.{download_name}"
        with self._lock:
            self.drop_expired()
            self.open()
            assert self._folder is not None
            path = self._folder / token
            try:
                path.write_bytes(data)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            self._files[name] = StoredFile(path, download_name, len(data), self._clock() + self._kept_s)
            while len(self._files) > 1 and self._is_too_much():
                self._drop(next(iter(self._files)))
        return name

    def find(self, name: str) -> StoredFile | None:
        """A file that is still there."""
        with self._lock:
            self.drop_expired()
            return self._files.get(name)

    def drop_expired(self) -> None:
        """Delete what has been kept long enough."""
        with self._lock:
            now = self._clock()
            for name in [name for name, file in self._files.items() if file.expires_at <= now]:
                self._drop(name)

    def close(self) -> None:
        """Delete everything."""
        with self._lock:
            self._files.clear()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    def _drop_left_behind(self) -> None:
        for folder in self._parent.glob(f"{_PREFIX}*"):
            if time.time() - folder.stat().st_mtime > _LEFT_BEHIND * self._kept_s:
                shutil.rmtree(folder, ignore_errors=True)

    def _is_too_much(self) -> bool:
        num_bytes = sum(file.num_bytes for file in self._files.values())
        return len(self._files) > self._most_files or num_bytes > self._most_bytes

    def _drop(self, name: str) -> None:
        self._files.pop(name).path.unlink(missing_ok=True)

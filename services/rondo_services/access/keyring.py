"""The keys that are valid now: a file's, read again when it has changed, so that keys come and go while one serves."""

import logging
import os
import time
from collections.abc import Callable

from .key_file import KeyFile, KeyFileError
from .keys import KeyRecord, is_same, parted

logger = logging.getLogger("rondo")

_LOOK_EVERY_S = 0.25
"""A look costs two microseconds; within so long a revoked key is refused."""


class Keyring:
    """Finds the record of a presented key.

    Args:
        clock: seconds of the epoch.

    Raises:
        KeyFileError: the file is there and can't be read.
    """

    def __init__(self, file: KeyFile, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock
        self._kept: dict[str, tuple[KeyRecord, bytes]] = {}
        self._seen = self._mark()
        self._last_error = ""
        self._look_at = clock() + _LOOK_EVERY_S
        self._take(file.read())

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: str) -> KeyRecord | None:
        """Whose the key is; None if it is none, or valid no longer. An unknown id takes the same way as a known one."""
        now = self._clock()
        if not self._look_at - _LOOK_EVERY_S <= now < self._look_at:  # a clock that was set back looks too
            self._look_at = now + _LOOK_EVERY_S
            self._refresh()
        identifier, digest = parted(key)
        record, kept = self._kept.get(identifier, (None, None))
        if not is_same(digest, kept) or record is None or record.is_expired(now):
            return None
        return record

    def _refresh(self) -> None:
        try:
            mark = self._mark()
            if mark == self._seen:
                return
            records = self._file.read()
        except (KeyFileError, OSError) as error:  # edited by hand, or not to be read by this user: it is tried again
            if str(error) != self._last_error:
                logger.error("%s; the keys read before stay valid", error)
            self._last_error = str(error)
            return
        self._seen, self._last_error = mark, ""
        self._take(records)
        logger.info("read %d keys anew", len(records))

    def _take(self, records: list[KeyRecord]) -> None:
        self._kept = {record.id: (record, bytes.fromhex(record.sha256)) for record in records}

    def _mark(self) -> tuple[int, int, int] | None:
        """What changes whenever the file is replaced or edited; None if it is not there."""
        try:
            status = os.stat(self._file.path)
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

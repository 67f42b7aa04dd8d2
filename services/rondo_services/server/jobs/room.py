"""How much room there is for files: together, and for those of one owner."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import TooLarge
from ...jobs.store import JobStore


class FileRoom:
    """Room that is looked at and taken in one step. Thread-safe; of other processes it knows only what they have kept.

    Args:
        most: bytes of all files together.
        most_of_one: of those of an owner that has a name.
    """

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._coming: Counter[str] = Counter()  # bytes that are being written, by owner
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, store: JobStore, owner: str, num_bytes: int) -> Iterator[None]:
        """Room for a file while it is being written; what the store knows of counts after that.

        Raises:
            TooLarge: there is none.
        """
        with self._lock:
            self._check(store, owner, num_bytes)
            self._coming[owner] += num_bytes
        try:
            yield
        finally:
            with self._lock:
                self._coming[owner] -= num_bytes

    def _check(self, store: JobStore, owner: str, num_bytes: int) -> None:
        if owner and store.num_bytes(owner) + self._coming[owner] + num_bytes > self._most_of_one:
            message = (
                f"there is no room for more files of this key, which may have {self._most_of_one} bytes; delete some"
            )
            raise TooLarge(message, field="file")
        if store.num_bytes(None) + self._coming.total() + num_bytes > self._most:
            message = (
                f"there is no room for more files here; those of all together may have {self._most} bytes: "
                "delete some, or come back later"
            )
            raise TooLarge(message, field="file")

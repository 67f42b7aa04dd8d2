"""The file in which keys are kept: written as a whole or not at all, by one process at a time, for its owner only."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from .keys import Allowance, KeyRecord, new_key

_LOCK_TIMEOUT_S = 10.0


class KeyFileError(ValueError):
    """The file can't be read or written, or there is no such key."""


class _Contents(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: int = 1
    keys: list[KeyRecord] = []


class KeyFile:
    """`keys.json` in a folder that is made when the first key is."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "keys.json"

    def read(self) -> list[KeyRecord]:
        """All keys, oldest first; none if there is no file.

        Raises:
            KeyFileError: it can't be read, or is not what was written.
        """
        try:
            contents = _Contents.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return []
        except (OSError, ValidationError) as error:
            raise KeyFileError(f"{self.path} can't be read as a file of keys: {error}") from error
        if contents.version != 1:
            raise KeyFileError(f"{self.path} is of version {contents.version}; this program reads version 1")
        return contents.keys

    def create(
        self, name: str, allowance: Allowance, expires_at: datetime | None, now: datetime, *, admin: bool = False
    ) -> tuple[KeyRecord, str]:
        """Keep a new key; the second of what is returned is the only copy of the key itself.

        A name may have several keys, so that a new one can replace an old one without a pause.

        Raises:
            ValueError: as `new_key`.
            KeyFileError: the file can't be read or written.
        """
        record, key = new_key(name, allowance, expires_at, now, admin=admin)
        self._change(lambda records: [*records, record])
        return record, key

    def revoke(self, name_or_id: str) -> KeyRecord:
        """Forget a key.

        Raises:
            KeyFileError: there is none, or several have that name.
        """
        found: list[KeyRecord] = []

        def without(records: list[KeyRecord]) -> list[KeyRecord]:
            by_id = [record for record in records if record.id == name_or_id]
            found.extend(by_id or [record for record in records if record.name == name_or_id])
            if not found:
                raise KeyFileError(f"no key has the name or id {name_or_id!r}; `rondo keys list` shows them")
            if len(found) > 1:
                ids = ", ".join(record.id for record in found)
                raise KeyFileError(f"{len(found)} keys have the name {name_or_id!r}; give an id: {ids}")
            return [record for record in records if record.id != found[0].id]

        self._change(without)
        return found[0]

    def _change(self, changed: Callable[[list[KeyRecord]], list[KeyRecord]]) -> None:
        with self._alone():
            contents = _Contents(keys=changed(self.read()))
            descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=".keys-")  # has mode 0600
            try:
                with open(descriptor, "w", encoding="utf-8") as file:
                    file.write(contents.model_dump_json(indent=1, exclude_none=True) + "\n")
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, self.path)
            except BaseException:
                os.unlink(name)
                raise

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            make_state_folder(self.path.parent)
            with FileLock(self.path.with_suffix(".lock"), timeout=_LOCK_TIMEOUT_S, mode=0o600):
                yield
        except OSError as error:
            raise KeyFileError(f"{self.path} can't be written: {error}") from error


def make_state_folder(folder: Path) -> None:
    """Make the folder for its owner only, if it is not there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)

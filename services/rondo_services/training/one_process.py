"""One process at a time trains in a run's folder, as two would overwrite each other's checkpoints."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rondo_models.config import ConfigError

LOCK = "run.lock"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes from training in the folder, which is made if need be; the system ends it with the process.

    Helpers do not keep the folder when the process that forked them was killed, as they would with flock.

    Raises:
        ConfigError: another process trains there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("ab") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            raise ConfigError(f"another process trains in {folder}; wait for its end, or take another --run") from error
        except OSError:  # the file system knows no locks
            pass
        yield

"""Folders that are filled out of sight and come into place at once, so that nobody ever sees one half filled."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LEFT_AFTER_S = 86_400.0
"""No delivery takes so long: what a killed one left is deleted by a later one."""


@contextmanager
def staging(beside: Path, name: str) -> Iterator[Path]:
    """An empty hidden folder in the folder `beside`, which is made; it is deleted at the end, if it is still there."""
    beside.mkdir(parents=True, exist_ok=True)
    prefix = f".{name}.delivery-"
    for left in beside.glob(f"{prefix}*"):
        if time.time() - left.lstat().st_mtime > _LEFT_AFTER_S:
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=beside))
    mask = os.umask(0)
    os.umask(mask)
    folder.chmod(0o777 & ~mask)  # as `mkdir` would; a server may run as somebody else
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def into_place(folder: Path, place: Path) -> None:
    """Rename a folder; what is in its place already is deleted once the new one is there."""
    if not place.exists():
        folder.rename(place)
        return
    with staging(place.parent, place.name) as aside:
        place.rename(aside / "old")
        try:
            folder.rename(place)
        except BaseException:
            (aside / "old").rename(place)
            raise

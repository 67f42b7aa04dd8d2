"""Folders that are filled out of sight and come into place at once, so that nobody ever sees one half filled."""

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
    """An empty folder, alone in a hidden one in the folder `beside`, which is made. At the end it is deleted.

    What else is needed on the way can be put beside it.
    """
    beside.mkdir(parents=True, exist_ok=True)
    prefix = f".{name}.delivery-"
    for left in beside.glob(f"{prefix}*"):
        if time.time() - left.lstat().st_mtime > _LEFT_AFTER_S:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=beside, ignore_cleanup_errors=True) as hidden:
        folder = Path(hidden) / "new"
        folder.mkdir()
        yield folder


def into_place(folder: Path, place: Path) -> None:
    """Rename a staged folder; what is in its place already is deleted once the new one is there."""
    if not place.exists():
        folder.rename(place)
        return
    aside = folder.with_name("old")
    place.rename(aside)
    try:
        folder.rename(place)
    except BaseException:
        aside.rename(place)
        raise

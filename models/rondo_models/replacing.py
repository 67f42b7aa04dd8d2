"""Files of a folder that are exchanged together. Knows nothing of what is in them."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

UNFINISHED = ".part"
"""How a file's name ends, which begins with a dot, before it is whole; a killed process may leave some."""


def replace_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files by their paths below a folder, which is made if need be; other files in it stay.

    They take their names, in this order, when all of them are on the disk. So what fails before has changed nothing;
    only a rename that fails after others, or a process that is killed between them, leaves some of the old files
    and some of the new ones.

    Raises:
        OSError: they can't be written, or a folder has the name of one.
    """
    targets = {name: folder / name for name in contents}
    if taken := [path for path in targets.values() if path.is_dir()]:
        raise IsADirectoryError(f"{taken[0]} is a folder; a file of that name can't be written")
    unfinished = {name: path.with_name(f".{path.name}{UNFINISHED}") for name, path in targets.items()}
    made: list[Path] = []
    is_written = False
    try:
        for name, content in contents.items():
            made += _made(unfinished[name].parent)
            with unfinished[name].open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        is_written = True
        for name, path in unfinished.items():
            path.replace(targets[name])
    finally:
        for path in unfinished.values():
            path.unlink(missing_ok=True)
        for own in [] if is_written else reversed(made):
            with suppress(OSError):  # somebody else has put something into it
                own.rmdir()


def _made(folder: Path) -> list[Path]:
    """Make a folder; those that were not there before, the outermost first."""
    missing = [own for own in (folder, *folder.parents) if not own.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]

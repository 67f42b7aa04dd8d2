"""Opens compiled libraries. Of one that is broken Rondo says so and does without. Knows nothing of what is in them."""

import ctypes
import logging
import struct
from pathlib import Path
from typing import TypeVar

Library = TypeVar("Library", bound=ctypes.CDLL)

logger = logging.getLogger("rondo")


def opened(path: Path, kind: type[Library]) -> Library | None:
    """A library that is there; None, with a warning, if the system can't load it."""
    try:
        if not _is_whole(path):
            raise OSError("the file is cut off")
        return kind(str(path))
    except OSError as error:
        logger.warning("%s can't be loaded and is not used: %s; install Rondo again", path.name, error)
        return None


def _is_whole(path: Path) -> bool:
    """Whether a file of ELF has its end: the system takes others too, and ends the process where it misses a page."""
    with path.open("rb") as file:
        header = file.read(64)
        if len(header) < 64 or header[:5] != b"\x7fELF\x02":
            return True  # which the system refuses by itself
        (begin,) = struct.unpack_from("<Q", header, 0x28)  # of the table of sections, which comes last
        size, count = struct.unpack_from("<HH", header, 0x3A)
        return bool(file.seek(0, 2) >= begin + size * count)

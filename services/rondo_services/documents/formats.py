"""Which kinds of files can be translated, by the ends of their names."""

from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath

from ..errors import InvalidInput
from .catalog import read_catalog
from .document import Document
from .page import read_page
from .plain import read_plain_text
from .subtitles import read_subtitles
from .word import bytes_unpacked, read_word_document

_READERS: dict[str, Callable[[bytes], Document]] = {
    ".txt": read_plain_text,
    ".srt": read_subtitles,
    ".html": read_page,
    ".htm": read_page,
    ".po": partial(read_catalog, overwrite=False),
    ".docx": read_word_document,
}
EXTENSIONS = tuple(_READERS)


def extension_of(name: str) -> str:
    """By which a file's kind is told, in small letters.

    Raises:
        InvalidInput: there is no reader for it.
    """
    extension = PurePosixPath(name).suffix.lower()
    if extension not in _READERS:
        raise InvalidInput(
            f"file format not supported: {extension or 'a name without extension'}; "
            f"supported are {', '.join(EXTENSIONS)}",
            field="file",
        )
    return extension


def read_document(name: str, data: bytes, *, overwrite: bool = False) -> Document:
    """Read a file; `name` tells what kind it is.

    Args:
        overwrite: translate entries of a catalogue anew that have a translation.

    Raises:
        InvalidInput: there is no reader for it, it is not what its name says, or it has no use for `overwrite`.
    """
    extension = extension_of(name)
    if overwrite and extension != ".po":
        raise InvalidInput("overwrite is only for .po files", field="overwrite")
    if overwrite:
        return read_catalog(data, overwrite=True)
    return _READERS[extension](data)


def unpacked_size(name: str, data: bytes) -> int:
    """How many bytes there are to read of a file, as it says itself; no reader reads more."""
    return bytes_unpacked(data) if PurePosixPath(name).suffix.lower() == ".docx" else len(data)

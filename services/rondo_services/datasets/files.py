"""Finds and opens the data files below one folder."""

import gzip
import lzma
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

ENVIRONMENT_VARIABLE = "RONDO_DATA"


class DataMissing(FileNotFoundError):
    """A data file is not where it was looked for."""


def data_root() -> Path:
    """The folder that holds the data sets.

    Raises:
        DataMissing: the environment variable is unset or names no folder.
    """
    value = os.environ.get(ENVIRONMENT_VARIABLE)
    if not value:
        raise DataMissing(f"set {ENVIRONMENT_VARIABLE} to the folder that holds the data sets (docs/data.md)")
    root = Path(value)
    if not root.is_dir():
        raise DataMissing(f"{ENVIRONMENT_VARIABLE}={value} is no folder")
    return root


def open_text(path: Path, encoding: str = "utf-8-sig") -> TextIO:
    """Open a plain, .gz or .xz file; line ends are only '\\n'.

    Raises:
        DataMissing: there is no such file.
    """
    if not path.is_file():
        raise DataMissing(f"{path} is missing")
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding=encoding, newline="\n")
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding=encoding, newline="\n")
    return path.open(encoding=encoding, newline="\n")


def lines(path: Path, encoding: str = "utf-8-sig") -> Iterator[str]:
    """The lines of a text file without their line ends."""
    with open_text(path, encoding) as file:
        for line in file:
            yield line.rstrip("\r\n")

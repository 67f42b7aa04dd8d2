"""Rows of numbers, one a text, kept in a file on disk. Knows no metric."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy
from numpy.typing import NDArray

Values = NDArray[numpy.float64]
Cells = NDArray[numpy.int64]

_ROWS_IN_MEMORY = 1024
_ROWS_READ = 8192


class Block(NamedTuple):
    """Consecutive rows.

    Attributes:
        cells: (rows,) which group each text belongs to.
        measures: (rows,) of each text alone; nan where there is none.
        statistics: (rows, columns) what metrics are computed from.
    """

    cells: Cells
    measures: Values
    statistics: Values


class Segments:
    """What is kept of texts; a block of rows is in memory, the rest in a file without a name, gone when closed."""

    def __init__(self, num_columns: int, folder: Path | None = None) -> None:
        """Rows of `num_columns` statistics; the file is in `folder`, by default where temporary files are."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 closed with this object
        self._waiting = numpy.empty((_ROWS_IN_MEMORY, 2 + num_columns))
        self._num_waiting = 0
        self._num_written = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._num_written + self._num_waiting

    @property
    def num_in_memory(self) -> int:
        """Rows that are not on disk."""
        return self._num_waiting

    def add(self, cell: int, measure: float, statistics: Sequence[float]) -> None:
        """Keep a text's row."""
        row = self._waiting[self._num_waiting]
        row[0], row[1], row[2:] = cell, measure, statistics
        self._num_waiting += 1
        if self._num_waiting == len(self._waiting):
            self._write()

    def _write(self) -> None:
        self._file.seek(self._num_written * self._waiting[0].nbytes)
        self._file.write(self._waiting[: self._num_waiting].tobytes())
        self._num_written += self._num_waiting
        self._num_waiting = 0

    def blocks(self, most: int = _ROWS_READ) -> Iterator[Block]:
        """All rows in their order, at most so many at once."""
        self._write()
        width = self._waiting.shape[1]
        for begin in range(0, self._num_written, most):
            count = min(most, self._num_written - begin)
            self._file.seek(begin * self._waiting[0].nbytes)
            content = self._file.read(count * self._waiting[0].nbytes)
            rows = numpy.frombuffer(content).reshape(count, width)
            yield Block(rows[:, 0].astype(numpy.int64), rows[:, 1], rows[:, 2:])

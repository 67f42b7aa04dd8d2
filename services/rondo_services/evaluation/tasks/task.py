"""What every task's measures have in common, and how fields of output lines are read."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy
from numpy.typing import NDArray

from rondo_tokenizers.normalization import compose

from ...errors import InvalidInput
from ..segments import Values

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Segment:
    """What counts of one output line.

    Attributes:
        statistics: as many as the task has columns.
        measure: of this text alone; nan if it can't be told.
        predicted: what the service said; None if that is no text.
    """

    statistics: Sequence[float]
    measure: float
    predicted: str | None


class Task(ABC):
    """Measures of one task.

    A metric is a function of sums over texts, so it is computed from a resample's sums just as from all texts'.

    Attributes:
        measure_name: of the measure of a text alone.
        measure_range: its lowest and highest value; None for the highest if there is none.
        higher_is_better: of that measure.
        num_columns: statistics that are kept of a text.
        needs_expected: whether lines without anything expected are left out (of all but distinct-n and repetition).
        distinct_orders: of n-grams that are counted; empty if no text is written.
        language_field: of an output line, where it names the text's language.
    """

    measure_name: str
    measure_range: tuple[float, float | None] = (0.0, 100.0)
    higher_is_better: bool = True
    num_columns: int
    needs_expected: bool = True
    distinct_orders: tuple[int, ...] = ()
    language_field: str = "language"

    @abstractmethod
    def segment(self, line: Mapping[str, Any]) -> Segment | None:
        """What counts of an output line; None if nothing does.

        Raises:
            InvalidInput: a field is missing, or of the wrong type.
        """

    @property
    def num_sums(self) -> int:
        """Columns of what is summed; known once all lines were read."""
        return self.num_columns

    def summed(self, statistics: Values) -> Values:
        """What is summed of texts, (texts, columns) -> (texts, sums)."""
        return statistics

    @abstractmethod
    def metrics(self, sums: Values) -> dict[str, Values]:
        """Metrics by name of sums, (draws, sums) -> (draws,); nan where they are undefined."""

    def details(self, sums: Values) -> dict[str, Any]:
        """What else is said of all texts, of which there is no interval; from their sums: (sums,)."""
        return {}

    def signatures(self) -> dict[str, str]:
        """How metrics that have settings of their own were computed, of all lines read so far."""
        return {}

    def calibration(self) -> list[dict[str, Any]]:
        """How often predictions of about the same confidence are right, of all lines read so far."""
        return []

    def right(self, statistics: Values) -> NDArray[numpy.bool_] | None:
        """Which texts (texts, columns) are answered rightly, if an answer is right or wrong: (texts,)."""
        return None


def ratio(numerator: Values, denominator: Values) -> Values:
    """Their quotient, nan where the denominator is 0."""
    quotient = numpy.full(numpy.shape(numerator), numpy.nan)
    numpy.divide(numerator, denominator, out=quotient, where=denominator != 0)
    return quotient


def field_of(line: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """A field that must be there; whole numbers pass for others.

    Raises:
        InvalidInput: it is not, or is of another type.
    """
    value = line.get(name)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        found = "is missing" if name not in line else f"is {type(value).__name__}, not {kind.__name__}"
        raise InvalidInput(f"line {line.get('line', '?')}: {name!r} {found}", field=name)
    return value


def answer_of(line: Mapping[str, Any], name: str) -> str:
    """What the service wrote, composed as `expected_of` is; raises as `field_of`."""
    return compose(field_of(line, name, str))


def expected_of(line: Mapping[str, Any]) -> list[str]:
    """The right label or the references; empty if they are not known.

    They are composed (NFC), as texts are that services read, and without white space around them.

    Raises:
        InvalidInput: it is no list of texts.
    """
    if line.get("expected") is None:
        return []
    expected: list[str] = field_of(line, "expected", list)
    if not all(isinstance(own, str) for own in expected):
        raise InvalidInput(f"line {line.get('line', '?')}: 'expected' must be a list of texts", field="expected")
    return [compose(own).strip() for own in expected]

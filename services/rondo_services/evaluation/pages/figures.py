"""The geometry of what is more than rows: confusion, calibration, histogram, attention."""

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .measures import COUNT, NONE, PLAIN, RANGE, measure
from .plots import Tick
from .reading import Attention, Bin, Histogram, number

LEVELS = 10
_MOST_CELLS = 10_000
_MOST_TICKS = 6
_CELL = 22.0
_LETTER = 7.2
_LONGEST_TOKEN = 16
_SPACE = "\u2581"


@dataclass(frozen=True, slots=True)
class Cell:
    """How often a label was answered; `level` is 0 to 10 for its share of the row."""

    count: str
    share: str
    level: int
    is_right: bool


@dataclass(frozen=True, slots=True)
class ConfusionRow:
    """The answers to texts of one label; recall is the share that is right."""

    label: str
    cells: tuple[Cell, ...]
    recall: str


@dataclass(frozen=True, slots=True)
class Confusion:
    """Expected labels down, answered labels across; a precision for each answered label."""

    labels: tuple[str, ...]
    rows: tuple[ConfusionRow, ...]
    precisions: tuple[str, ...]


def confusion_of(counts: Any) -> Confusion | None:
    """From counts by expected and answered label; None if there are none."""
    if not isinstance(counts, Mapping) or not counts:
        return None
    rows = {str(label): own if isinstance(own, Mapping) else {} for label, own in counts.items()}
    labels = list(dict.fromkeys([*rows, *(str(label) for own in rows.values() for label in own)]))
    numbers = [[number(rows.get(row, {}).get(column)) or 0.0 for column in labels] for row in labels]
    totals = [sum(line) for line in numbers]
    columns = [sum(line[place] for line in numbers) for place in range(len(labels))]
    return Confusion(
        tuple(labels),
        tuple(
            ConfusionRow(
                label,
                tuple(_cell(count, total, place == column) for column, count in enumerate(line)),
                _percent(line[place], total),
            )
            for place, (label, line, total) in enumerate(zip(labels, numbers, totals, strict=True))
        ),
        tuple(_percent(numbers[place][place], total) for place, total in enumerate(columns)),
    )


def _cell(count: float, total: float, is_right: bool) -> Cell:
    share = count / total if total else 0.0
    return Cell(COUNT.written(count), _percent(count, total), round(LEVELS * share), is_right)


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f}\u202f%" if whole else NONE


@dataclass(frozen=True, slots=True)
class Point:
    """A bin of the calibration curve; x, y and radius for a square whose side is 100, with zero at the bottom left."""

    x: float
    y: float
    radius: float
    confidence: str
    accuracy: str
    num: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """The curve, and the expected calibration error in percent, if it is known."""

    points: tuple[Point, ...]
    error: float | None


def calibration_of(bins: list[Bin], error: float | None) -> Calibration | None:
    """The curve through bins that hold something; None if there are none."""
    filled = sorted((own for own in bins if own.num), key=lambda own: own.confidence)
    if not filled:
        return None
    most = max(own.num for own in filled)
    points = tuple(
        Point(
            round(100 * own.confidence, 2),
            round(100 - 100 * own.accuracy, 2),
            round(1.1 + 2.2 * math.sqrt(own.num / most), 2),
            f"{100 * own.confidence:.1f}\u202f%",
            f"{100 * own.accuracy:.1f}\u202f%",
            COUNT.written(own.num),
        )
        for own in filled
    )
    return Calibration(points, error)


@dataclass(frozen=True, slots=True)
class Column:
    """A bar of the histogram: place, width and height in percent, and what it says."""

    at: float
    width: float
    height: float
    values: str
    count: str


@dataclass(frozen=True, slots=True)
class Bars:
    """A histogram; `most` is the count of the highest bar."""

    measure: str
    columns: tuple[Column, ...]
    ticks: tuple[Tick, ...]
    most: str


def bars_of(histogram: Histogram) -> Bars | None:
    """The histogram, as wide as its edges are apart; None if it is empty or its edges do not fit the counts."""
    edges, counts = histogram.edges, histogram.counts
    rising = all(low < high for low, high in pairwise(edges))
    if not counts or not sum(counts) or len(edges) != len(counts) + 1 or not rising or not math.isfinite(sum(edges)):
        return None
    width, most = edges[-1] - edges[0], max(counts)
    places = [round(100 * (edge - edges[0]) / width, 3) for edge in edges]
    columns = tuple(
        Column(
            places[i],
            round(places[i + 1] - places[i], 3),
            round(100 * count / most, 2),
            f"{PLAIN.written(edges[i])}{RANGE}{PLAIN.written(edges[i + 1])}",
            COUNT.written(count),
        )
        for i, count in enumerate(counts)
    )
    every = math.ceil(len(edges) / _MOST_TICKS)
    ticks = tuple(Tick(places[i], PLAIN.written(edges[i])) for i in range(0, len(edges), every))
    name = measure(histogram.measure).in_sentence
    return Bars(name, columns, ticks, COUNT.written(most))


@dataclass(frozen=True, slots=True)
class Token:
    """A label beside the heat map; `shown` may be cut, `text` is whole."""

    text: str
    shown: str
    at: float


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A weight that is large enough to be seen; `opacity` is 0 to 1."""

    x: float
    y: float
    opacity: float
    says: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Source across and target down, in pixels; the cells begin at (left, top).

    Attributes:
        strongest: for each target token the source token with the largest weight, and that weight.
        cells: empty if there would be more than 10,000.
    """

    width: float
    height: float
    left: float
    top: float
    side: float
    source: tuple[Token, ...]
    target: tuple[Token, ...]
    cells: tuple[HeatCell, ...]
    strongest: tuple[tuple[str, str, str], ...]
    is_too_large: bool


def heat_map_of(attention: Attention) -> HeatMap | None:
    """None if there are no weights, or not as many as tokens."""
    source, target = attention.source, attention.target
    weights = [[weight if weight and math.isfinite(weight) else 0.0 for weight in row] for row in attention.weights]
    if not source or len(weights) != len(target) or any(len(row) != len(source) for row in weights) or not weights:
        return None
    most = max(max(row) for row in weights) or 1.0
    is_too_large = len(source) * len(target) > _MOST_CELLS
    left, top = round(_length(target) + 12, 1), round(0.75 * _length(source) + 16, 1)
    cells = [
        HeatCell(
            round(left + _CELL * x, 1),
            round(top + _CELL * y, 1),
            round(weight / most, 2),
            f"{target[y]} ← {source[x]}: {weight:.2f}",
        )
        for y, row in enumerate(weights)
        for x, weight in enumerate(row)
        if weight >= 0.02 * most and not is_too_large
    ]
    best = [max(range(len(source)), key=row.__getitem__) for row in weights]
    return HeatMap(
        round(left + _CELL * len(source) + 0.75 * _length(source[-1:]), 1),
        round(top + _CELL * len(target) + 2, 1),
        left,
        top,
        _CELL,
        _tokens(source, left),
        _tokens(target, top),
        tuple(cells),
        tuple((target[y], source[x], f"{weights[y][x]:.2f}") for y, x in enumerate(best)),
        is_too_large,
    )


def _tokens(tokens: list[str], begin: float) -> tuple[Token, ...]:
    return tuple(
        Token(token, _cut(token), round(begin + _CELL * (place + 0.5), 1)) for place, token in enumerate(tokens)
    )


def _cut(token: str) -> str:
    """Without SentencePiece's sign for a space, unless it is all there is, and not too long."""
    shown = token.removeprefix(_SPACE) or token
    return shown if len(shown) <= _LONGEST_TOKEN else shown[: _LONGEST_TOKEN - 1] + "…"


def _length(tokens: list[str]) -> float:
    """About how many pixels the longest label takes."""
    return max((sum(map(_width, _cut(token))) for token in tokens), default=0.0)


def _width(letter: str) -> float:
    return _LETTER * (1.8 if unicodedata.east_asian_width(letter) in "WF" else 1.0)

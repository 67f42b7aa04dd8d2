"""Rows of dots with whiskers, and of bars, as places on an axis; the templates only draw them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .measures import COUNT, Kind, Measure, main_of, measure
from .reading import Group, Intervals, Metrics, ReportFile, number
from .scale import Scale, scale_over

WITHOUT_EXPECTED = "num_without_expected"
"""A count that is no result: of texts that could be answered, but not be measured."""

_PERCENT = (0.0, 100.0)


@dataclass(frozen=True, slots=True)
class Tick:
    """A number on an axis, and where, in percent of its length."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """A figure in a plot.

    Attributes:
        num: of texts behind it, as written; empty if that is not said.
        value, interval: as written; empty if there is none.
        at, low, high: where they are on the axis, in percent; None if they are on none.
        own: of what is reported on, rather than of a baseline.
    """

    name: str
    about: str
    num: str
    value: str
    interval: str
    at: float | None = None
    low: float | None = None
    high: float | None = None
    own: bool = True


@dataclass(frozen=True, slots=True)
class Plot:
    """Rows with one axis.

    Attributes:
        reference: where the figure of all texts is, in percent.
    """

    title: str
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...] = ()
    reference: float | None = None
    lower_is_better: bool = False


def interval_of(key: str, intervals: Intervals) -> tuple[float, float] | None:
    """Both ends of an interval, if both are known and finite."""
    low, high = (number(end) for end in intervals.get(key, (None, None)))
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return None
    return low, high


def scored(metrics: Metrics) -> dict[str, float | None]:
    """The plain figures among metrics, None for those that are null; tables and signatures are left out."""
    return {key: number(value) for key, value in metrics.items() if isinstance(value, int | float) or value is None}


def _row(
    name: str, kind: Measure, value: float | None, ends: tuple[float, float] | None, scale: Scale | None, num: str = ""
) -> Row:
    """One figure; without a scale it is only written."""
    drawn = scale is not None and value is not None and math.isfinite(value)
    return Row(
        name,
        ", ".join(part for part in (kind.about, "lower is better" if kind.lower_is_better else "") if part),
        num,
        kind.written(value) + (kind.unit if value is not None else ""),
        kind.interval(*ends) if ends else "",
        scale.at(value) if drawn and scale and value is not None else None,
        scale.at(ends[0]) if scale and ends else None,
        scale.at(ends[1]) if scale and ends else None,
    )


def _ticks(scale: Scale, most_labels: int) -> tuple[Tick, ...]:
    """All ticks; if there are many, only some of them have a label."""
    every = math.ceil((len(scale.ticks) - 1) / (most_labels - 1))
    written = Measure("", decimals=scale.decimals).written
    labels = [written(value) if place % every == 0 else "" for place, value in enumerate(scale.ticks)]
    return tuple(Tick(scale.at(value), label) for value, label in zip(scale.ticks, labels, strict=True))


def _limits(kind: Kind, points: Iterable[float]) -> tuple[float, float]:
    """Between which there are values of a kind; some scores, as TER, can be above 100."""
    is_percent = kind in ("score", "share") and all(0 <= point <= 100 for point in points)
    return _PERCENT if is_percent else (-math.inf, math.inf)


def metric_plots(report: ReportFile) -> list[Plot]:
    """All plain figures: scores on one axis, perplexities and shares on others, and the rest only written.

    Without intervals the axis from 0 to 100 is shown whole, as there is nothing that a closer look would show.
    """
    values = scored(report.metrics)
    main = main_of(report.task, values)
    ordered = sorted((key for key in values if key != WITHOUT_EXPECTED), key=lambda key: key != main)
    plots = []
    kinds: tuple[Kind, ...] = ("score", "perplexity", "share", "other", "count")
    for kind in kinds:
        keys = [key for key in ordered if measure(key).kind == kind]
        ends = {key: interval_of(key, report.intervals) for key in keys}
        scale = None
        if kind in ("score", "perplexity", "share"):
            points = [value for key in keys if (value := values[key]) is not None]
            points += [end for pair in ends.values() if pair for end in pair]
            limits = _limits(kind, points)
            whole = kind == "score" and not any(ends.values()) and limits == _PERCENT
            scale = Scale(*_PERCENT, 20.0) if whole else scale_over(points, from_zero=kind == "share", ends=limits)
        if keys:
            rows = tuple(_row(measure(key).name, measure(key), values[key], ends[key], scale) for key in keys)
            plots.append(Plot("", rows, _ticks(scale, 6) if scale else ()))
    return plots


def baseline_plots(report: ReportFile, own: str) -> list[Plot]:
    """A plot for each figure that a baseline has too, with bars from zero; what is reported on is called `own`."""
    values = scored(report.metrics)
    main = main_of(report.task, values)
    plots = []
    for key in sorted(values, key=lambda key: key != main):
        kind = measure(key)
        others = {name: number(metrics.get(key)) for name, metrics in report.baselines.items()}
        given = {own: values[key], **{name: value for name, value in others.items() if value is not None}}
        if kind.kind == "count" or len(given) < 2:
            continue
        scale = scale_over([value for value in given.values() if value is not None], from_zero=True)
        rows = tuple(
            Row(name, "", "", kind.written(value) + kind.unit, "", _finite_at(scale, value), own=place == 0)
            for place, (name, value) in enumerate(given.items())
        )
        plots.append(Plot(kind.name, rows, lower_is_better=kind.lower_is_better))
    return plots


def _finite_at(scale: Scale, value: float | None) -> float | None:
    return scale.at(value) if value is not None and math.isfinite(value) else None


def breakdown_plots(report: ReportFile, groups: Sequence[Group]) -> list[Plot]:
    """A plot for each figure that the groups have, with the figure of all texts as reference."""
    keys = dict.fromkeys(key for group in groups for key in scored(group.metrics))
    main = main_of(report.task, keys)
    return [
        _breakdown(key, groups, scored(report.metrics))
        for key in sorted(keys, key=lambda key: key != main)
        if measure(key).kind != "count"
    ]


def _breakdown(key: str, groups: Sequence[Group], of_all: Mapping[str, float | None]) -> Plot:
    kind = measure(key)
    values = [number(group.metrics.get(key)) for group in groups]
    ends = [interval_of(key, group.intervals) for group in groups]
    overall = of_all.get(key)
    points = _points([*values, overall], ends)
    scale = scale_over(points, most_steps=3, ends=_limits(kind.kind, points))
    rows = tuple(
        _row(group.name, kind, value, pair, scale, COUNT.written(group.num) if group.num is not None else "")
        for group, value, pair in zip(groups, values, ends, strict=True)
    )
    return Plot(kind.name, rows, _ticks(scale, 4), _finite_at(scale, overall), kind.lower_is_better)


def _points(values: Iterable[float | None], ends: Iterable[tuple[float, float] | None]) -> list[float]:
    return [value for value in values if value is not None] + [end for pair in ends if pair for end in pair]

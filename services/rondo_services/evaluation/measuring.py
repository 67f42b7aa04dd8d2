"""A job's predictions, read once, to the parts of a report that come from them. Memory does not grow with their number.

Numbers of each text go to a file on disk (`segments`), from which metrics of all texts, of groups of texts and of
resamples are computed alike.
"""

import heapq
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from .diversity import DistinctCounter
from .resampling import DEFAULT_SEED, Weights, block_size, bootstrap_weights, percentile_interval, weighted_sums
from .segments import Segments, Values
from .tasks import task_of
from .tasks.task import Task, expected_of, field_of

NUM_WORST = 20
FEWEST_TEXTS = 10
"""Below, resamples are too much alike for an interval to say anything."""
_LENGTHS = (5, 10, 20, 40, 80, 160, 320)
"""Most words of a text in each group but the last."""
_NUM_HISTOGRAM_BINS = 20
_OPEN_BIN_WIDTH = 0.5
_MOST_OPEN_BINS = 40


@dataclass(frozen=True, slots=True)
class Measured:
    """The parts of a report that come from predictions; all numbers are finite, what is undefined is None.

    Attributes:
        metrics: by name, of all texts; with `num_without_expected` for tasks that compare with something expected.
        intervals: 95 %, of the metrics that have one: not of distinct-n, since a resample repeats texts, which is what
            it counts, and of nothing where there are fewer than `FEWEST_TEXTS`.
        bootstrap: how the intervals were made.
        breakdowns: metrics and intervals of texts of about the same length (in words that white space keeps apart),
            and of the same language where lines name it.
        worst: the texts with the worst measure of their own, the worst first.
        calibration: of labels only: mean confidence and share of right ones in bins of confidence.
        histogram: how many texts have a measure of their own between edges.
    """

    metrics: dict[str, Any]
    intervals: dict[str, tuple[float, float]]
    bootstrap: dict[str, Any]
    breakdowns: dict[str, list[dict[str, Any]]]
    worst: list[dict[str, Any]]
    calibration: list[dict[str, Any]]
    histogram: dict[str, Any]

    def as_record(self) -> dict[str, Any]:
        """By their names in `report.json`."""
        return asdict(self)


class Worst:
    """The few texts with the worst measure; of equal ones, those that came first."""

    def __init__(self, most: int, *, higher_is_better: bool) -> None:
        self._most = most
        self._sign = -1 if higher_is_better else 1
        self._heap: list[tuple[float, int, dict[str, Any]]] = []
        self._num_offered = 0

    def offer(self, line: Mapping[str, Any], predicted: str | None, measure: float) -> None:
        """Keep a line if it is among the worst so far."""
        self._num_offered += 1
        badness = self._sign * measure
        if math.isnan(measure) or (len(self._heap) == self._most and badness <= self._heap[0][0]):
            return
        entry: dict[str, Any] = {"line": line.get("line"), "text": line["text"], "expected": expected_of(line)}
        if predicted is not None:
            entry["predicted"] = predicted
        entry["score"] = measure
        push = heapq.heappushpop if len(self._heap) == self._most else heapq.heappush
        push(self._heap, (badness, -self._num_offered, entry))

    def __len__(self) -> int:
        return len(self._heap)

    def entries(self) -> list[dict[str, Any]]:
        """The worst first."""
        return [entry for _, _, entry in sorted(self._heap, key=lambda own: own[:2], reverse=True)]


def measure(
    task: str,
    predictions: Iterable[Mapping[str, Any]],
    *,
    target_language: str | None = None,
    num_resamples: int = 1000,
    seed: int = DEFAULT_SEED,
    scratch: Path | None = None,
) -> Measured:
    """Measure the output lines of a job; they are read once, and only the worst are kept.

    Intervals are those of the percentile bootstrap over texts (Efron 1979; Koehn 2004 for BLEU), on the resamples that
    sacreBLEU draws for the same seed.

    Args:
        task: sentiment, translation, summarization, compression, generation or perplexity.
        predictions: lines with `text`, `expected` if it is known, and the fields of the service's result.
        target_language: of translations; needed for them only.
        num_resamples: 0 makes no intervals.
        scratch: folder for numbers of texts (about 300 bytes a translation); where temporary files are by default.

    Raises:
        InvalidInput: an unknown task, or lines that are none of its predictions.
    """
    own = task_of(task, target_language)
    with Segments(own.num_columns, scratch) as segments:
        reading = _Reading(own, segments)
        for line in predictions:
            reading.add(line)
        return _Result(own, segments, reading, num_resamples, seed).measured()


class _Reading:
    """What is found while lines go by."""

    def __init__(self, task: Task, segments: Segments) -> None:
        self._task = task
        self._segments = segments
        self.worst = Worst(NUM_WORST, higher_is_better=task.higher_is_better)
        self.distinct = DistinctCounter(task.distinct_orders)
        self.languages: dict[str, int] = {}  # numbered from 1; 0 is of lines that name none
        self.num_without_expected = 0

    def add(self, line: Mapping[str, Any]) -> None:
        text = field_of(line, "text", str)
        segment = self._task.segment(line)
        if self._task.needs_expected and not line.get("expected"):
            self.num_without_expected += 1
        if segment is None:
            return
        if segment.predicted is not None:
            self.distinct.add(segment.predicted.split())
        self._segments.add(self._cell(line, text), segment.measure, segment.statistics)
        self.worst.offer(line, segment.predicted, segment.measure)

    def _cell(self, line: Mapping[str, Any], text: str) -> int:
        language = 0
        if line.get(self._task.language_field) is not None:
            name = field_of(line, self._task.language_field, str)
            language = self.languages.setdefault(name, 1 + len(self.languages))
        return language * (len(_LENGTHS) + 1) + int(numpy.searchsorted(_LENGTHS, len(text.split())))


@dataclass(frozen=True, slots=True)
class _Group:
    """Texts that are measured together; `cells` has True for those that it consists of."""

    kind: str
    name: str
    cells: NDArray[numpy.bool_]


class _Result:
    """Computes what is said from what was kept."""

    def __init__(self, task: Task, segments: Segments, reading: _Reading, num_resamples: int, seed: int) -> None:
        self._task = task
        self._segments = segments
        self._reading = reading
        self._num_resamples = num_resamples
        self._seed = seed
        self._num_lengths = len(_LENGTHS) + 1
        self._num_cells = self._num_lengths * (1 + len(reading.languages))

    def measured(self) -> Measured:
        nums = numpy.zeros(self._num_cells, numpy.int64)
        for block in self._segments.blocks():
            nums += numpy.bincount(block.cells, minlength=self._num_cells)
        groups = self._groups(nums)
        sums = self._sums(numpy.ones((1, len(self._segments)), numpy.uint8))
        metrics = [self._task.metrics(sums[group.cells].sum(axis=0)) for group in groups]
        intervals = self._intervals(groups, nums)
        breakdowns: dict[str, list[dict[str, Any]]] = {}
        for group, own, interval in zip(groups[1:], metrics[1:], intervals[1:], strict=True):
            breakdowns.setdefault(group.kind, []).append(
                {
                    "name": group.name,
                    "num": int(nums[group.cells].sum()),
                    "metrics": {name: finite(values[0]) for name, values in own.items()},
                    "intervals": interval,
                }
            )
        return Measured(
            metrics=self._metrics(metrics[0], sums.sum(axis=(0, 1))),
            intervals=intervals[0],
            bootstrap={"method": "percentile", "resamples": self._num_resamples, "seed": self._seed},
            breakdowns=breakdowns,
            worst=self._reading.worst.entries(),
            calibration=self._task.calibration(),
            histogram=_histogram(self._task, self._segments),
        )

    def _metrics(self, values: Mapping[str, Values], sums: Values) -> dict[str, Any]:
        metrics: dict[str, Any] = {name: finite(own[0]) for name, own in values.items()}
        metrics |= distinct_metrics(self._reading.distinct)
        metrics |= self._task.details(sums)
        if self._task.needs_expected:
            metrics["num_without_expected"] = self._reading.num_without_expected
        return metrics

    def _groups(self, nums: NDArray[numpy.int64]) -> list[_Group]:
        cells = numpy.arange(self._num_cells)
        groups = [_Group("all", "all", numpy.full(self._num_cells, True))]
        for length in range(self._num_lengths):
            groups.append(_Group("length", _length_name(length), cells % self._num_lengths == length))
        for language, number in self._reading.languages.items():
            groups.append(_Group("language", language, cells // self._num_lengths == number))
        return [group for group in groups if group.kind == "all" or nums[group.cells].any()]

    def _intervals(self, groups: list[_Group], nums: NDArray[numpy.int64]) -> list[dict[str, tuple[float, float]]]:
        drawn: list[dict[str, list[Values]]] = [{} for _ in groups]
        if len(self._segments):
            for weights in bootstrap_weights(len(self._segments), self._num_resamples, self._seed):
                sums = self._sums(weights)
                for group, own in zip(groups, drawn, strict=True):
                    for name, values in self._task.metrics(sums[group.cells].sum(axis=0)).items():
                        own.setdefault(name, []).append(values)
        intervals = []
        for group, own in zip(groups, drawn, strict=True):
            found = {name: percentile_interval(numpy.concatenate(values)) for name, values in own.items()}
            enough = nums[group.cells].sum() >= FEWEST_TEXTS
            intervals.append({name: interval for name, interval in found.items() if interval is not None and enough})
        return intervals

    def _sums(self, weights: Weights) -> Values:
        size = block_size(len(weights), self._task.num_sums)
        blocks = ((block.cells, self._task.summed(block.statistics)) for block in self._segments.blocks(size))
        return weighted_sums(weights, blocks, self._num_cells, self._task.num_sums)


def distinct_metrics(counter: DistinctCounter) -> dict[str, float | None]:
    """Distinct-n in percent, by name."""
    return {f"distinct{order}": None if share is None else 100 * share for order, share in counter.shares().items()}


def _length_name(length: int) -> str:
    if length == len(_LENGTHS):
        return f"over {_LENGTHS[-1]} words"
    return f"{_LENGTHS[length - 1] + 1 if length else 0}–{_LENGTHS[length]} words"


def finite(value: float) -> float | None:
    """The value, None where it is undefined or infinite."""
    return float(value) if math.isfinite(value) else None


def _histogram(task: Task, segments: Segments) -> dict[str, Any]:
    """Equal bins over the range of the measure; of one without end, as many as hold all, and the last a long one."""
    low, high = task.measure_range
    if high is None:
        most = max(
            (float(numpy.nanmax(b.measures)) for b in segments.blocks() if not numpy.isnan(b.measures).all()),
            default=low,
        )
        num_bins = max(1, min(math.ceil((most - low) / _OPEN_BIN_WIDTH), _MOST_OPEN_BINS))
        edges = low + _OPEN_BIN_WIDTH * numpy.arange(num_bins + 1)
        edges[-1] = max(edges[-1], most)
    else:
        edges = numpy.linspace(low, high, _NUM_HISTOGRAM_BINS + 1)
    counts = numpy.zeros(len(edges) - 1, numpy.int64)
    for block in segments.blocks():
        known = block.measures[~numpy.isnan(block.measures)]
        counts += numpy.histogram(numpy.clip(known, edges[0], edges[-1]), edges)[0]
    return {"measure": task.measure_name, "edges": [round(float(e), 6) for e in edges], "counts": counts.tolist()}

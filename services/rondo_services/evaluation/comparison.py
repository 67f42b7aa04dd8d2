"""Whether a system is better than another on the same data, or only luckier: paired tests over their predictions."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from ..errors import InvalidInput
from .diversity import DistinctCounter
from .measuring import FEWEST_TEXTS, distinct_metrics, finite
from .report import PREDICTIONS, REPORT
from .resampling import (
    DEFAULT_SEED,
    Weights,
    block_size,
    bootstrap_weights,
    percentile_interval,
    swap_weights,
    weighted_sums,
)
from .segments import Cells, Segments, Values
from .tasks import task_of
from .tasks.task import Task, expected_of, field_of

TRIALS_PER_RESAMPLE = 10
_TOLERANCE = 1e-9
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of a system beside the baseline's.

    Attributes:
        difference: the system's less the baseline's.
        interval: 95 % of the difference, of the paired percentile bootstrap.
        p_bootstrap: of the paired bootstrap (Koehn 2004), as sacreBLEU and Moses compute it; neither is told of fewer
            than `FEWEST_TEXTS`.
        p_randomization: of paired approximate randomization (Riezler and Maxwell 2005), two-sided.
        p_mcnemar: of McNemar's exact test, two-sided; of accuracy only.

    None where it is undefined, or where a metric is no function of sums over texts (distinct-n).
    """

    metric: str
    baseline: float | None
    value: float | None
    difference: float | None
    interval: tuple[float, float] | None = None
    p_bootstrap: float | None = None
    p_randomization: float | None = None
    p_mcnemar: float | None = None


@dataclass(frozen=True, slots=True)
class System:
    """One that is compared with the baseline."""

    name: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Each system against the first one, the baseline.

    Attributes:
        num_texts: that are compared; of tasks that need something expected, those for which it is known.
        num_resamples, num_trials: of the bootstrap, and of the randomization.
        signatures: of metrics that have one.
    """

    task: str
    baseline: str
    num_texts: int
    num_resamples: int
    num_trials: int
    seed: int
    signatures: Mapping[str, str]
    systems: tuple[System, ...]

    def as_record(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def compare(
    baseline: Path,
    *systems: Path,
    metrics: Sequence[str] | None = None,
    num_resamples: int = 1000,
    seed: int = DEFAULT_SEED,
    scratch: Path | None = None,
) -> Comparison:
    """Compare result folders (`predictions.jsonl`, `report.json`) of the same data, each with the first.

    Statistics of texts are those that `measure` takes. Draws and p-values are those of sacreBLEU's paired tests for the
    same seed, but for ties: a trial that is exactly as far apart as the systems are counts against their difference,
    so that two systems that answer alike are never found to be different.

    Args:
        metrics: only these; None: all.
        num_resamples: of the bootstrap; the randomization takes ten times as many, as in sacreBLEU.
        scratch: folder for numbers of texts; where temporary files are by default.

    Raises:
        InvalidInput: fewer than two folders, a folder without readable results, other data than the baseline's, or an
            unknown metric.
    """
    folders = (baseline, *systems)
    if not systems:
        raise InvalidInput("give at least two folders to compare")
    if num_resamples < 1:
        raise InvalidInput("at least one resample is needed", field="resamples")
    reports = [_report(folder) for folder in folders]
    name = _common_task(folders, reports)
    lines = _paired(folders, [report.get("num_examples") for report in reports])
    first = next(lines, None)
    if first is None:
        raise InvalidInput(f"{baseline / PREDICTIONS} is empty")
    task = task_of(name, field_of(first[0], "target", str) if name == "translation" else None)
    with ExitStack() as stack:
        kept = [_Kept(task, stack.enter_context(Segments(task.num_columns, scratch))) for _ in folders]
        for together in chain([first], lines):
            for own, line in zip(kept, together, strict=True):
                own.add(line)
        if not len(kept[0].segments):
            raise InvalidInput(f"nothing is expected in {baseline / PREDICTIONS}, so there is nothing to compare")
        test = _PairedTest(task, kept, metrics, num_resamples, seed)
        names = _names(folders)
        return Comparison(
            task=name,
            baseline=names[0],
            num_texts=len(kept[0].segments),
            num_resamples=num_resamples,
            num_trials=TRIALS_PER_RESAMPLE * num_resamples,
            seed=seed,
            signatures=task.signatures(),
            systems=tuple(System(names[i], test.differences(i)) for i in range(1, len(folders))),
        )


class _Kept:
    """What is kept of one system's predictions."""

    def __init__(self, task: Task, segments: Segments) -> None:
        self._task = task
        self.segments = segments
        self.distinct = DistinctCounter(task.distinct_orders)

    def add(self, line: Mapping[str, Any]) -> None:
        segment = self._task.segment(line)
        if segment is None or (self._task.needs_expected and not line.get("expected")):
            return
        self.segments.add(0, segment.measure, segment.statistics)
        if segment.predicted is not None:
            self.distinct.add(segment.predicted.split())


class _PairedTest:
    """Tests of every system against the first."""

    def __init__(
        self, task: Task, kept: Sequence[_Kept], chosen: Sequence[str] | None, num_resamples: int, seed: int
    ) -> None:
        self._task = task
        self._segments = [own.segments for own in kept]
        self._num_texts = len(self._segments[0])
        self._num_resamples = num_resamples
        self._seed = seed
        ones = numpy.ones((1, self._num_texts), numpy.uint8)
        self._sums = [self._summed(ones, self._blocks(i, 1)) for i in range(len(kept))]  # each (1, sums)
        self._values = [{name: float(own[0]) for name, own in task.metrics(sums).items()} for sums in self._sums]
        self._distinct = [distinct_metrics(own.distinct) for own in kept]
        known = [*self._values[0], *self._distinct[0]]
        if chosen is not None and not chosen:
            raise InvalidInput(f"no metric is named; choose among {', '.join(known)}", field="metrics")
        for name in chosen or ():
            if name not in known:
                raise InvalidInput(f"unknown metric {name!r}; choose among {', '.join(known)}", field="metrics")
        self._chosen = [name for name in known if chosen is None or name in chosen]

    def differences(self, system: int) -> tuple[Difference, ...]:
        """Of the system with this number."""
        resampled, randomized = self._bootstrap(system), self._randomization(system)
        found = []
        for name in self._chosen:
            if name in self._distinct[0]:
                found.append(_untested(name, self._distinct[0][name], self._distinct[system][name]))
                continue
            baseline, value = self._values[0][name], self._values[system][name]
            if not math.isfinite(value - baseline):
                found.append(_untested(name, finite(baseline), finite(value)))
                continue
            distance = abs(value - baseline)
            interval, p_bootstrap = _of_resamples(resampled[name], distance) if resampled else (None, None)
            found.append(
                Difference(
                    name,
                    baseline,
                    value,
                    value - baseline,
                    interval,
                    p_bootstrap,
                    _p_value(numpy.abs(randomized[name]), distance),
                    self._mcnemar(system) if name == "accuracy" else None,
                )
            )
        return tuple(found)

    def _bootstrap(self, system: int) -> dict[str, Values]:
        """Differences of metrics in resamples; nothing where these are too much alike to say anything."""
        if self._num_texts < FEWEST_TEXTS:
            return {}
        found: list[dict[str, Values]] = []
        for weights in bootstrap_weights(self._num_texts, self._num_resamples, self._seed):
            sums = [self._summed(weights, self._blocks(i, len(weights))) for i in (0, system)]
            found.append(self._difference(*sums))
        return _joined(found)

    def _randomization(self, system: int) -> dict[str, Values]:
        """Differences of metrics of pseudo-systems that have every text's answer from either system."""
        found: list[dict[str, Values]] = []
        total, other = self._sums[0], self._sums[system]
        for weights in swap_weights(self._num_texts, TRIALS_PER_RESAMPLE * self._num_resamples, self._seed):
            swapped = self._summed(weights, self._block_differences(system, len(weights)))
            found.append(self._difference(other + swapped, total - swapped))
        return _joined(found)

    def _difference(self, baseline: Values, system: Values) -> dict[str, Values]:
        before, after = self._task.metrics(baseline), self._task.metrics(system)
        with numpy.errstate(invalid="ignore"):  # infinity less infinity is undefined, which nan says
            return {name: after[name] - before[name] for name in before if name in self._chosen}

    def _mcnemar(self, system: int) -> float:
        """McNemar 1947, exact: of texts that one system alone has right, how many are of each."""
        from scipy.stats import binomtest

        only = [0, 0]
        for first, second in zip(self._right(0), self._right(system), strict=True):
            only[0] += int((first & ~second).sum())
            only[1] += int((second & ~first).sum())
        return float(binomtest(only[0], sum(only)).pvalue) if sum(only) else 1.0

    def _right(self, system: int) -> Iterator[NDArray[numpy.bool_]]:
        for block in self._segments[system].blocks():
            right = self._task.right(block.statistics)
            assert right is not None  # there is an accuracy
            yield right

    def _summed(self, weights: Weights, blocks: Iterable[tuple[Cells, Values]]) -> Values:
        sums: Values = weighted_sums(weights, blocks, 1, self._task.num_sums)[0]
        return sums

    def _blocks(self, system: int, num_draws: int) -> Iterator[tuple[Cells, Values]]:
        for block in self._segments[system].blocks(block_size(num_draws, self._task.num_sums)):
            yield block.cells, self._task.summed(block.statistics)

    def _block_differences(self, system: int, num_draws: int) -> Iterator[tuple[Cells, Values]]:
        """The baseline's statistics less the system's."""
        pairs = zip(self._blocks(0, num_draws), self._blocks(system, num_draws), strict=True)
        for (cells, first), (_, second) in pairs:
            yield cells, first - second


def _of_resamples(drawn: Values, distance: float) -> tuple[tuple[float, float] | None, float]:
    """The interval of a difference, and its p."""
    spread = numpy.abs(drawn) - numpy.nanmean(numpy.abs(drawn))
    return percentile_interval(drawn), _p_value(spread, distance)


def _p_value(drawn: Values, distance: float) -> float:
    """Share of draws that are at least as far apart, the systems themselves being one of them."""
    drawn = drawn[~numpy.isnan(drawn)]
    return (int((drawn >= distance - _TOLERANCE).sum()) + 1) / (len(drawn) + 1)


def _untested(name: str, baseline: float | None, value: float | None) -> Difference:
    return Difference(name, baseline, value, None if baseline is None or value is None else value - baseline)


def _joined(found: Sequence[Mapping[str, Values]]) -> dict[str, Values]:
    return {name: numpy.concatenate([own[name] for own in found]) for name in found[0]}


def _names(folders: Sequence[Path]) -> list[str]:
    """Of the folders alone, if that tells them apart."""
    short = [folder.resolve().name for folder in folders]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]


def _report(folder: Path) -> Mapping[str, Any]:
    path = folder / REPORT
    if not path.is_file():
        raise InvalidInput(f"{folder} has no {REPORT}; give folders that `rondo evaluate` wrote")
    try:
        report: Mapping[str, Any] = json.loads(path.read_bytes())
        str(report["task"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{path} is no report") from error
    return report


def _common_task(folders: Sequence[Path], reports: Sequence[Mapping[str, Any]]) -> str:
    tasks = [str(report["task"]) for report in reports]
    for folder, task in zip(folders, tasks, strict=True):
        if task != tasks[0]:
            raise InvalidInput(f"{folders[0]} is of {tasks[0]}, but {folder} of {task}")
    return tasks[0]


def _paired(folders: Sequence[Path], nums_examples: Sequence[int | None]) -> Iterator[tuple[Mapping[str, Any], ...]]:
    """Lines of the same text, of all systems.

    Args:
        nums_examples: that their reports are of; None if one does not say it.

    Raises:
        InvalidInput: they are not of the same data, and it says where they first differ; or not those of a report.
    """
    read = [_lines(folder / PREDICTIONS, num) for folder, num in zip(folders, nums_examples, strict=True)]
    for number, lines in enumerate(zip_longest(*read), 1):
        first = lines[0]
        for folder, line in zip(folders[1:], lines[1:], strict=True):
            where = f"{folders[0]} and {folder} are not of the same data: at line {number} of {PREDICTIONS}"
            if first is None or line is None:
                raise InvalidInput(f"{where} {folders[0] if first is None else folder} ends")
            for name in ("line", "text", "expected", "target"):
                if first.get(name) != line.get(name):
                    shown = f"{_short(first.get(name))} and {_short(line.get(name))}"
                    raise InvalidInput(f"{where} {name!r} differs: {shown}")
        assert first is not None
        field_of(first, "text", str)
        expected_of(first)
        yield tuple(line for line in lines if line is not None)


def _short(value: object) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


def _lines(path: Path, num_examples: int | None) -> Iterator[Mapping[str, Any]]:
    if not path.is_file():
        raise InvalidInput(f"{path.parent} has no {PREDICTIONS}; give folders that `rondo evaluate` wrote")
    if num_examples is not None and (num_lines := _num_lines(path)) != num_examples:
        raise InvalidInput(
            f"{path.parent}: {REPORT} is of {num_examples} examples, but {PREDICTIONS} has {num_lines}; they are not "
            "of one evaluation, so evaluate again"
        )
    with path.open("rb") as file:
        for number, content in enumerate(file, 1):
            try:
                line = json.loads(content)
            except ValueError as error:
                raise InvalidInput(f"{path}, line {number}: no JSON") from error
            if not isinstance(line, dict):
                raise InvalidInput(f"{path}, line {number}: no JSON object")
            yield line


def _num_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)

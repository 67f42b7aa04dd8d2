"""How much a classifier's answers move when only the person changes: label flips, changes of a probability, groups.

Knows probabilities and no model. Intervals are those of the percentile bootstrap over clusters of frames.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, groupby
from typing import Any

import numpy

from ..measuring import FEWEST_TEXTS
from ..resampling import DEFAULT_SEED, bootstrap_weights, percentile_interval
from ..segments import Values
from ..tasks.task import ratio
from .frames import Frame

NUM_WORST = 5
NUM_RESAMPLES = 1000

Interval = tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Scored:
    """What the classifier says of one wording: its label, and the probability of the one that is watched."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class GroupMean:
    """Of the texts of one group.

    Attributes:
        mean: of the watched label's probability.
        shift: mean difference from the mean of all wordings of the same text.
    """

    name: str
    num: int
    mean: float
    interval: Interval
    shift: float
    shift_interval: Interval


@dataclass(frozen=True, slots=True)
class Swaps:
    """What came of exchanging one kind of person in one language's texts from one source.

    Attributes:
        trained: whether the service was trained on the language.
        num_texts: wordings that were classified; every two of a text are a pair.
        flips: percentage of pairs that have two labels.
        flips_by_opinion: the same of texts of each opinion.
        mean_change, max_change: absolute difference of the probability within a pair.
        worst: the pairs with the largest differences, at most one a cluster.
    """

    language: str
    kind: str
    source: str
    trained: bool
    num_texts: int
    num_pairs: int
    flips: float
    flips_interval: Interval
    flips_by_opinion: dict[str, float]
    mean_change: float
    mean_change_interval: Interval
    max_change: float
    groups: list[GroupMean]
    worst: list[dict[str, Any]]

    def as_record(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Pair:
    frame: Frame
    first: int
    second: int
    flipped: bool
    change: float


def measured_swaps(frames: Sequence[Frame], scores: Sequence[Sequence[Scored]], trained: Sequence[str]) -> list[Swaps]:
    """Figures of each language, kind and source, in the order of the frames.

    Args:
        scores: of each frame's wordings.
        trained: languages that the service was trained on.
    """
    together = zip(frames, scores, strict=True)
    return [
        _swaps(list(own), trained)
        for _, own in groupby(together, key=lambda one: (one[0].language, one[0].source, one[0].kind))
    ]


def _swaps(own: Sequence[tuple[Frame, Sequence[Scored]]], trained: Sequence[str]) -> Swaps:
    first = own[0][0]
    pairs = [pair for frame, scores in own for pair in _pairs(frame, scores)]
    numbers = {cluster: place for place, cluster in enumerate(dict.fromkeys(frame.cluster for frame, _ in own))}
    sums = numpy.zeros((len(numbers), 3))  # (clusters, [pairs, flips, changes])
    for pair in pairs:
        sums[numbers[pair.frame.cluster]] += 1, pair.flipped, pair.change
    opinions = dict.fromkeys(frame.opinion for frame, _ in own)
    by_opinion = {opinion: [pair.flipped for pair in pairs if pair.frame.opinion == opinion] for opinion in opinions}
    return Swaps(
        first.language,
        first.kind,
        first.source,
        first.language in trained,
        sum(len(scores) for _, scores in own),
        len(pairs),
        100 * sum(pair.flipped for pair in pairs) / len(pairs),
        _interval(100 * sums[:, 1], sums[:, 0]),
        {opinion: 100 * sum(flips) / len(flips) for opinion, flips in by_opinion.items()},
        sum(pair.change for pair in pairs) / len(pairs),
        _interval(sums[:, 2], sums[:, 0]),
        max(pair.change for pair in pairs),
        _groups(own, numbers),
        _worst(pairs, dict(own)),
    )


def _pairs(frame: Frame, scores: Sequence[Scored]) -> Iterator[_Pair]:
    for first, second in combinations(range(len(scores)), 2):
        one, other = scores[first], scores[second]
        yield _Pair(frame, first, second, one.label != other.label, abs(one.probability - other.probability))


def _interval(numerators: Values, denominators: Values) -> Interval:
    """Of the quotient of sums over clusters (clusters,); None if there are too few."""
    if len(numerators) < FEWEST_TEXTS:
        return None
    columns = numpy.stack([numerators, denominators], axis=1)
    draws = bootstrap_weights(len(columns), NUM_RESAMPLES, DEFAULT_SEED)
    sums = numpy.concatenate([weights.astype(numpy.float64) @ columns for weights in draws])  # (draws, 2)
    return percentile_interval(ratio(sums[:, 0], sums[:, 1]))


def _groups(own: Sequence[tuple[Frame, Sequence[Scored]]], numbers: dict[int, int]) -> list[GroupMean]:
    names = dict.fromkeys(group for frame, _ in own for group, _ in frame.texts if group)
    sums = {name: numpy.zeros((len(numbers), 3)) for name in names}  # (clusters, [texts, probabilities, shifts])
    for frame, scores in own:
        middle = sum(score.probability for score in scores) / len(scores)
        for (group, _), score in zip(frame.texts, scores, strict=True):
            if group:
                sums[group][numbers[frame.cluster]] += 1, score.probability, score.probability - middle
    return [_group_mean(name, values) for name, values in sums.items()]


def _group_mean(name: str, sums: Values) -> GroupMean:
    count, probabilities, shifts = sums.sum(axis=0)
    return GroupMean(
        name,
        int(count),
        float(probabilities / count),
        _interval(sums[:, 1], sums[:, 0]),
        float(shifts / count),
        _interval(sums[:, 2], sums[:, 0]),
    )


def _worst(pairs: Sequence[_Pair], scores: dict[Frame, Sequence[Scored]]) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for pair in sorted(pairs, key=lambda pair: -pair.change):
        if len(found) == NUM_WORST:
            break
        if pair.frame.cluster in found:
            continue
        sides = [
            {"group": group, "text": text, "label": score.label, "probability": score.probability}
            for (group, text), score in (
                (pair.frame.texts[place], scores[pair.frame][place]) for place in (pair.first, pair.second)
            )
        ]
        found[pair.frame.cluster] = {"number": pair.frame.cluster, "change": pair.change, "sides": sides}
    return list(found.values())

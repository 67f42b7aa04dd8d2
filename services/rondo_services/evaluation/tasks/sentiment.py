"""Accuracy, macro-F1, calibration and likelihood of predicted labels."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy
from numpy.typing import NDArray

from ...errors import InvalidInput
from ..segments import Values
from .task import Segment, Task, expected_of, field_of, ratio

NUM_BINS = 15
_LEAST = float(numpy.finfo(numpy.float64).eps)

_COUNT, _RIGHT, _SCORED, _NATS = range(4)
_BINS = 4
_LABELS = _BINS + NUM_BINS


class SentimentTask(Task):
    """Of labels with their probabilities.

    `ece` is the expected calibration error in percent over 15 bins of equal width (Guo et al. 2017, "On Calibration of
    Modern Neural Networks"); `nll` the mean negative logarithm of the right label's probability, which is taken for
    2^-52 at least, over lines that have `scores`. Without them, what the predicted label leaves counts as the right
    one's probability in the measure of a text.
    """

    measure_name = "p(label)"
    measure_range = (0.0, 1.0)
    num_columns = 4

    def __init__(self) -> None:
        self._labels: dict[str, int] = {}
        self._confusion: Counter[tuple[str, str]] = Counter()
        self._bins = numpy.zeros((NUM_BINS, 3))  # (bins, [texts, confidences, right ones])

    def segment(self, line: Mapping[str, Any]) -> Segment | None:
        expected = expected_of(line)
        if not expected:
            return None
        if len(expected) > 1:
            raise InvalidInput(f"line {line.get('line', '?')}: a text has one right label, not {len(expected)}")
        right, predicted, confidence = expected[0], field_of(line, "label", str), field_of(line, "score", float)
        own = [float(self._labels.setdefault(label, len(self._labels))) for label in (right, predicted)]
        self._confusion[right, predicted] += 1
        self._bins[_bins(numpy.array(confidence))] += 1, confidence, right == predicted
        if line.get("scores"):
            probability = field_of(field_of(line, "scores", dict), right, float) if right in line["scores"] else 0.0
            nats = -math.log(max(probability, _LEAST))
        else:
            probability = confidence if right == predicted else 1 - confidence
            nats = math.nan
        return Segment([*own, confidence, nats], probability, predicted)

    @property
    def num_sums(self) -> int:
        return _LABELS + 3 * len(self._labels)

    def summed(self, statistics: Values) -> Values:
        texts, num_labels = numpy.arange(len(statistics)), len(self._labels)
        expected, predicted = statistics[:, 0].astype(numpy.int64), statistics[:, 1].astype(numpy.int64)
        confidences, nats = statistics[:, 2], statistics[:, 3]
        right = expected == predicted
        sums = numpy.zeros((len(statistics), self.num_sums))
        sums[:, _COUNT] = 1
        sums[:, _RIGHT] = right
        sums[:, _SCORED] = ~numpy.isnan(nats)
        sums[:, _NATS] = numpy.nan_to_num(nats)
        sums[texts, _BINS + _bins(confidences)] = confidences - right
        sums[texts, _LABELS + expected] = 1
        sums[texts, _LABELS + num_labels + predicted] = 1
        sums[texts[right], _LABELS + 2 * num_labels + expected[right]] = 1
        return sums

    def metrics(self, sums: Values) -> dict[str, Values]:
        count = sums[:, _COUNT]
        expected, predicted, both = numpy.split(sums[:, _LABELS:], 3, axis=1)
        occurring = expected + predicted > 0
        f1 = numpy.where(occurring, 2 * both / numpy.where(occurring, expected + predicted, 1), 0).sum(axis=1)
        return {
            "accuracy": 100 * ratio(sums[:, _RIGHT], count),
            "macro_f1": 100 * ratio(f1, occurring.sum(axis=1)),
            "ece": 100 * ratio(numpy.abs(sums[:, _BINS:_LABELS]).sum(axis=1), count),
            "nll": ratio(sums[:, _NATS], sums[:, _SCORED]),
        }

    def details(self, sums: Values) -> dict[str, Any]:
        labels = sorted(self._labels)
        confusion = {row: {column: self._confusion[row, column] for column in labels} for row in labels}
        return {"confusion": confusion, "signatures": self.signatures()}

    def signatures(self) -> dict[str, str]:
        return {"ece": f"bins:{NUM_BINS}|width:equal|norm:l1"}

    def calibration(self) -> list[dict[str, Any]]:
        return [
            {"confidence": float(confidences / count), "accuracy": float(right / count), "num": int(count)}
            for count, confidences, right in self._bins
            if count
        ]

    def right(self, statistics: Values) -> NDArray[numpy.bool_]:
        right: NDArray[numpy.bool_] = statistics[:, 0] == statistics[:, 1]
        return right


def _bins(confidences: Values) -> NDArray[numpy.int64]:
    bins: NDArray[numpy.int64] = numpy.clip(numpy.ceil(confidences * NUM_BINS) - 1, 0, NUM_BINS - 1).astype(numpy.int64)
    return bins

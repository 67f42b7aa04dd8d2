"""Accuracy, macro-F1, calibration and likelihood of predicted labels."""

import math
from collections import Counter
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any

import numpy
from numpy.typing import NDArray

from rondo_tokenizers.normalization import compose

from ...errors import InvalidInput
from ..segments import Values
from .task import Segment, Task, expected_of, field_of, ratio

NUM_BINS = 15
MOST_FOREIGN = 200
"""Expected labels that the service does not know: the confusion grows with the square of all labels, the sums with
their number in every resample, and a column with more of them is none of labels."""

_NUM_SHOWN = 5
_LONGEST_SHOWN = 40
_LEAST = float(numpy.finfo(numpy.float64).eps)

_COUNT, _RIGHT, _SCORED, _NATS = range(4)
_BINS = 4
_LABELS = _BINS + NUM_BINS


class SentimentTask(Task):
    """Of labels with their probabilities.

    `ece` is the expected calibration error in percent over 15 bins of equal width (Guo et al. 2017, "On Calibration of
    Modern Neural Networks"); `nll` the mean negative logarithm of the right label's probability, which is taken for
    2^-52 at least, over lines that have `scores`. Without them, what the predicted label leaves counts as the right
    one's probability in the measure of a text. Labels are told apart as `label_of` has them.
    """

    measure_name = "p(label)"
    measure_range = (0.0, 1.0)
    num_columns = 4

    def __init__(self) -> None:
        self._labels: dict[str, int] = {}
        self._foreign: dict[str, None] = {}
        self._confusion: Counter[tuple[str, str]] = Counter()
        self._bins = numpy.zeros((NUM_BINS, 3))  # (bins, [texts, confidences, right ones])

    def segment(self, line: Mapping[str, Any]) -> Segment | None:
        expected = expected_of(line)
        if not expected:
            return None
        if len(expected) > 1:
            raise InvalidInput(f"line {line.get('line', '?')}: a text has one right label, not {len(expected)}")
        right, predicted = expected[0], label_of(field_of(line, "label", str))
        confidence = field_of(line, "score", float)
        scores = field_of(line, "scores", dict) if line.get("scores") else {}
        known = {label_of(name): name for name in scores}
        self._check_known(right, known or {predicted: predicted}, line)
        own = [float(self._labels.setdefault(label, len(self._labels))) for label in (right, predicted)]
        self._confusion[right, predicted] += 1
        self._bins[_bins(numpy.array(confidence))] += 1, confidence, right == predicted
        if scores:
            probability = field_of(scores, known[right], float) if right in known else 0.0
            nats = -math.log(max(probability, _LEAST))
        else:
            probability = confidence if right == predicted else 1 - confidence
            nats = math.nan
        return Segment([*own, confidence, nats], probability, predicted)

    def _check_known(self, right: str, known: Mapping[str, str], line: Mapping[str, Any]) -> None:
        """Refuse the line if there are more foreign labels than can be measured."""
        if right in known or right in self._foreign:
            return
        self._foreign[right] = None
        if len(self._foreign) > MOST_FOREIGN:
            raise InvalidInput(
                f"line {line.get('line', '?')}: more than {MOST_FOREIGN} expected labels are none of the service's; is "
                f"that the column of labels? Expected are {_listed(self._foreign)}; the service's are {_listed(known)}"
            )

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


def label_of(text: str) -> str:
    """A label of the service as it is told apart from others, like `expected_of`."""
    return compose(text).strip()


def _listed(labels: Collection[str]) -> str:
    shown = ", ".join(repr(label[:_LONGEST_SHOWN]) for label in islice(labels, _NUM_SHOWN))
    return f"{shown}, …" if len(labels) > _NUM_SHOWN else shown


def _bins(confidences: Values) -> NDArray[numpy.int64]:
    bins: NDArray[numpy.int64] = numpy.clip(numpy.ceil(confidences * NUM_BINS) - 1, 0, NUM_BINS - 1).astype(numpy.int64)
    return bins

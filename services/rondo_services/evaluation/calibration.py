"""Fits how a translation's quality is told from the search's confidence, on dev data, and puts it into the bundle."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy
import torch
from numpy.typing import NDArray

from rondo_models.manifest import rewrite_manifest

from ..datasets.catalog import data_set
from ..datasets.examples import Pair
from ..datasets.translation import reversed_pair, with_all_references
from ..errors import InvalidInput
from ..local import LocalSuite
from ..training.card import model_card
from ..translation.quality import MANIFEST_KEY, Line, confidence
from ..translation.service import TranslationOptions

_FEWEST_TEXTS = 50
_NUM_FOLDS = 5
_NUM_BINS = 10

Values = NDArray[numpy.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was fitted for one direction, and what it is worth on texts that it was not fitted on.

    Attributes:
        intercept, slope: of the line from confidence to sentence chrF.
        data: named data sets, of which the dev splits were read.
        pearson, spearman: correlations of estimate and sentence chrF.
        calibration_error: mean distance of estimate and chrF in ten bins of equally many texts.
    """

    intercept: float
    slope: float
    data: tuple[str, ...]
    num_texts: int
    pearson: float
    spearman: float
    calibration_error: float


def calibrate(suite: LocalSuite, root: Path, data: Sequence[str]) -> dict[str, Calibration]:
    """Translate the dev splits of named data sets in every direction that the bundle serves, and fit each.

    Returns:
        by direction, as "en-de"; those of which there is no data are left out.

    Raises:
        InvalidInput: the bundle has no translation service, or a set holds no pairs that it translates.
        ValueError: an unknown data set, or data from which nothing can be learned.
    """
    if suite.translation is None:
        raise InvalidInput("the bundle has no translation service")
    torch.set_num_threads(1)  # of this thread; the engine has its own
    pairs: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    names: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in data:
        found = _dev_pairs(name, root, suite.translation.pairs)
        if not found:
            raise InvalidInput(f"{name} has no dev split that this bundle translates", field="data")
        for direction, own in found.items():
            pairs[direction] += own
            names[direction].append(name)
    return {
        f"{source}-{target}": _fitted(suite, own, tuple(names[source, target]))
        for (source, target), own in pairs.items()
    }


def _dev_pairs(name: str, root: Path, served: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[Pair]]:
    """The distinct sources of a dev split with all their references, by direction."""
    forward = [example for example in data_set(name).read(root, "dev") if isinstance(example, Pair)]
    by_direction: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in (*forward, *map(reversed_pair, forward)):
        if (pair.source_language, pair.target_language) in served:
            by_direction[pair.source_language, pair.target_language].append(pair)
    return {direction: with_all_references(iter(own)) for direction, own in by_direction.items()}


def _fitted(suite: LocalSuite, pairs: Sequence[Pair], data: tuple[str, ...]) -> Calibration:
    if len(pairs) < _FEWEST_TEXTS:
        raise ValueError(f"{len(pairs)} texts are too few to calibrate on; take at least {_FEWEST_TEXTS}")
    confidences, scores = _measured(suite, pairs)
    line = fit(confidences, scores)
    return Calibration(
        round(line.intercept, 4), round(line.slope, 4), data, len(pairs), *cross_validated(confidences, scores)
    )


def _measured(suite: LocalSuite, pairs: Sequence[Pair]) -> tuple[Values, Values]:
    """Confidence and sentence chrF (0 to 1) of each pair's translation."""
    from sacrebleu.metrics.chrf import CHRF

    service = suite.translation
    assert service is not None
    how = TranslationOptions(pairs[0].source_language, pairs[0].target_language, format="plain")
    plans = [service.plan(pair.source, how) for pair in pairs]
    answers = iter(suite.run_blocking([work for plan in plans for work in plan.works]))
    chrf = CHRF()
    confidences, scores = [], []
    for pair, plan in zip(pairs, plans, strict=True):
        own = [next(answers) for _ in plan.works]
        best = [(len(work.ids), hypotheses[0]) for work, hypotheses in zip(plan.works, own, strict=True)]
        confidences.append(confidence(best) if best else 0.0)
        scores.append(chrf.sentence_score(service.result(plan, own).translation, list(pair.references)).score / 100)
    return numpy.array(confidences), numpy.array(scores)


def fit(confidences: Values, scores: Values) -> Line:
    """The line of least squares.

    Raises:
        ValueError: quality does not grow with confidence.
    """
    slope, intercept = numpy.polyfit(confidences, scores, 1)
    if not slope > 0:
        raise ValueError("the translations do not get better with the search's confidence; nothing can be told from it")
    return Line(float(intercept), float(slope))


def cross_validated(confidences: Values, scores: Values) -> tuple[float, float, float]:
    """Pearson and Spearman correlation and calibration error of estimates for texts that were left out of the fit."""
    from scipy.stats import pearsonr, spearmanr
    from sklearn.model_selection import KFold

    estimates = numpy.zeros_like(scores)
    for kept, left_out in KFold(_NUM_FOLDS, shuffle=True, random_state=1).split(scores):
        line = fit(confidences[kept], scores[kept])
        estimates[left_out] = [line.at(value) for value in confidences[left_out]]
    bins = numpy.array_split(numpy.argsort(estimates), _NUM_BINS)
    error = numpy.mean([abs(estimates[own].mean() - scores[own].mean()) for own in bins])
    correlations = pearsonr(estimates, scores)[0], spearmanr(estimates, scores)[0]
    return round(float(correlations[0]), 3), round(float(correlations[1]), 3), round(float(error), 3)


def add_calibrations(folder: Path, suite: LocalSuite, calibrations: Mapping[str, Calibration]) -> None:
    """Put calibrations into the manifest of the bundle in `folder`, which `suite` runs; other directions' go."""
    manifest = suite.bundle.manifest
    values = {direction: asdict(own) for direction, own in calibrations.items()}
    translation = {**manifest.services["translation"], MANIFEST_KEY: values}
    changed = replace(manifest, services={**manifest.services, "translation": translation})
    rewrite_manifest(folder, changed, model_card(changed, suite.bundle.model.configs()))

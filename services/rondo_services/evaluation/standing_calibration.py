"""Fits how much a sentence's standing in its text counts beside what a head thinks of it, on dev data.

Each text's sentences shall be as likely as their ROUGE tells, the best one most (ListNet: Cao et al. 2007, "Learning to
rank: from pairwise approach to listwise approach"): a text in which two say nearly the same then teaches little.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy
import torch
from numpy.typing import NDArray

from rondo_models.manifest import rewrite_manifest

from ..datasets.catalog import data_set
from ..datasets.examples import Pair
from ..errors import InvalidInput
from ..local import LocalSuite
from ..summarization.choosing import ChoicePlan
from ..summarization.service import SummaryOptions
from ..summarization.standing import MANIFEST_KEY, log_odds, standing_of
from ..training.card import model_card
from .tasks.summarization import ROUGES, rouge_scorer

_FEWEST_TEXTS = 50
_NUM_FOLDS = 5
_POINTS = 6.0
"""Of ROUGE by which a sentence is better that shall be e times as likely."""
_PENALTY = 0.003
"""Of each squared weight, beside a text's mean cross-entropy; the head's own is drawn to 1."""

Floats = NDArray[numpy.float64]


@dataclass(frozen=True, slots=True)
class StandingCalibration:
    """What was fitted, and what it is worth on texts that it was not fitted on.

    Attributes:
        head, traits: as of `StandingWeights`.
        data: named data sets, of which the dev splits were read.
        rouge_before, rouge: mean of ROUGE-1, -2 and -L of the chosen sentence, F1 in percent, by the head alone and
            with the standing, cross-validated.
    """

    head: float
    traits: tuple[float, ...]
    data: tuple[str, ...]
    num_texts: int
    rouge_before: float
    rouge: float


@dataclass(frozen=True, slots=True)
class RatedText:
    """What is known of the sentences of one text.

    Attributes:
        features: (sentences, 1 + traits), the head's log-odds first.
        rouges: (sentences,), of each as the summary, F1 in percent.
    """

    features: Floats
    rouges: Floats


def calibrate_standing(suite: LocalSuite, root: Path, data: Sequence[str]) -> StandingCalibration:
    """Rate the sentences of the dev splits of named data sets, and fit.

    Raises:
        InvalidInput: the bundle chooses no sentences, or a set holds no texts with summaries.
        ValueError: an unknown data set, or too few texts.
    """
    service = suite.summarization
    if service is None or service.chooser is None:
        raise InvalidInput("the bundle has no head that chooses sentences (salience)")
    torch.set_num_threads(1)  # of this thread; the engine has its own
    texts: list[RatedText] = []
    for name in data:
        pairs = [own for own in data_set(name).read(root, "dev") if isinstance(own, Pair)]
        pairs = [own for own in pairs if own.source_language == own.target_language]
        if not pairs:
            raise InvalidInput(f"{name} has no dev split of texts with summaries", field="data")
        texts += _rated(suite, pairs)
    if len(texts) < _FEWEST_TEXTS:
        raise ValueError(f"{len(texts)} texts are too few to calibrate on; take at least {_FEWEST_TEXTS}")
    weights = fit(texts)
    alone = numpy.zeros(len(weights))
    alone[0] = 1
    head, *traits = (round(float(weight), 4) for weight in weights)
    before = float(numpy.mean([_chosen(own, alone) for own in texts]))
    after = float(numpy.mean(cross_validated(texts)))
    return StandingCalibration(head, tuple(traits), tuple(data), len(texts), round(before, 2), round(after, 2))


def _rated(suite: LocalSuite, pairs: Sequence[Pair]) -> list[RatedText]:
    """Texts of more than one sentence."""
    service = suite.summarization
    assert service is not None
    assert service.chooser is not None
    plans = [service.plan(pair.source, SummaryOptions(method="choose")) for pair in pairs]
    answers = iter(suite.run_blocking([work for plan in plans for work in plan.works]))
    scorer = rouge_scorer()
    rated = []
    for pair, plan in zip(pairs, plans, strict=True):
        assert isinstance(plan, ChoicePlan)
        odds = log_odds(service.chooser.probabilities([next(answers) for _ in plan.works]))
        if len(odds) < 2:
            continue
        scores = [scorer.score_multi(pair.references or [pair.target], sentence) for sentence in plan.sentences]
        rouges = [100 * numpy.mean([own[name].fmeasure for name in ROUGES]) for own in scores]
        rated.append(RatedText(numpy.column_stack([odds, standing_of(plan.sentences)]), numpy.array(rouges)))
    return rated


def fit(texts: Sequence[RatedText]) -> Floats:
    """The weights (1 + traits,) with the least cross-entropy, the head's first."""
    from scipy.optimize import minimize
    from scipy.special import softmax

    features = numpy.concatenate([own.features for own in texts])
    wanted = numpy.concatenate([softmax(own.rouges / _POINTS) for own in texts])
    sizes = numpy.array([len(own.rouges) for own in texts])
    starts = numpy.cumsum(sizes) - sizes
    prior = numpy.zeros(features.shape[1])
    prior[0] = 1

    def objective(weights: Floats) -> tuple[float, Floats]:
        worth = features @ weights
        worth -= numpy.repeat(numpy.maximum.reduceat(worth, starts), sizes)
        logs = worth - numpy.repeat(numpy.log(numpy.add.reduceat(numpy.exp(worth), starts)), sizes)
        away = weights - prior
        loss = -(wanted @ logs) / len(texts) + _PENALTY * (away @ away)
        return float(loss), features.T @ (numpy.exp(logs) - wanted) / len(texts) + 2 * _PENALTY * away

    found: Floats = minimize(objective, prior, jac=True, method="L-BFGS-B").x
    return found


def cross_validated(texts: Sequence[RatedText]) -> list[float]:
    """ROUGE of the chosen sentence of each text, by weights that were fitted without it."""
    from sklearn.model_selection import KFold

    rouges = [0.0] * len(texts)
    for kept, left_out in KFold(_NUM_FOLDS, shuffle=True, random_state=1).split(texts):
        weights = fit([texts[place] for place in kept])
        for place in left_out:
            rouges[place] = _chosen(texts[place], weights)
    return rouges


def _chosen(text: RatedText, weights: Floats) -> float:
    return float(text.rouges[int(numpy.argmax(text.features @ weights))])


def add_standing(folder: Path, suite: LocalSuite, calibration: StandingCalibration) -> None:
    """Put it into the manifest of the bundle in `folder`, which `suite` runs."""
    manifest = suite.bundle.manifest
    summarization = {**manifest.services["summarization"], MANIFEST_KEY: asdict(calibration)}
    changed = replace(manifest, services={**manifest.services, "summarization": summarization})
    rewrite_manifest(folder, changed, model_card(changed, suite.bundle.model.configs()))

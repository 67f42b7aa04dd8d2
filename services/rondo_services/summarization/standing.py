"""How a sentence stands in its text, and how much that counts beside what a head thinks of the sentence alone.

How much is fitted on dev texts by `rondo bundle calibrate --service summarization` and kept in the manifest.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from .extraction import salience

MANIFEST_KEY = "standing"
"""Below what the manifest says of the summarization service."""

Floats = NDArray[numpy.float64]

_NUM_PLACES = 8
"""From the beginning, and from the end, that are told apart; the last of them is all that are farther in."""
_LONGEST = 60
"""Words; longer sentences count as this long."""
_LEAST_PROBABILITY = 1e-6
NUM_TRAITS = 2 * _NUM_PLACES + 4


def standing_of(sentences: Sequence[str]) -> Floats:
    """What is known of each sentence of a text beside its words: (sentences, `NUM_TRAITS`).

    One of each place from the beginning and one from the end is 1; then there are the share of the text before it, its
    length, the length's square, and how central it is.
    """
    traits = numpy.zeros((len(sentences), NUM_TRAITS))
    for place, (sentence, central) in enumerate(zip(sentences, salience(sentences), strict=True)):
        length = min(len(sentence.split()), _LONGEST) / _LONGEST
        traits[place, min(place, _NUM_PLACES - 1)] = 1
        traits[place, _NUM_PLACES + min(len(sentences) - 1 - place, _NUM_PLACES - 1)] = 1
        traits[place, 2 * _NUM_PLACES :] = place / len(sentences), 2 * length, 4 * length**2, central
    return traits


def log_odds(probabilities: Sequence[float]) -> Floats:
    """Of each probability; one of 0 or 1 is taken to be a millionth away from it."""
    bounded = numpy.clip(numpy.asarray(probabilities, numpy.float64), _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    odds: Floats = numpy.log(bounded / (1 - bounded))
    return odds


@dataclass(frozen=True, slots=True)
class StandingWeights:
    """How much each counts.

    Attributes:
        head: of the head's log-odds.
        traits: (`NUM_TRAITS`,), of a sentence's standing.

    Raises:
        ValueError: not as many weights as traits.
    """

    head: float
    traits: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.traits) != NUM_TRAITS:
            raise ValueError(f"standing needs {NUM_TRAITS} weights, not {len(self.traits)}")

    @staticmethod
    def from_manifest(values: Mapping[str, Any]) -> "StandingWeights | None":
        """From what the manifest says of the summarization service; None if that was never calibrated."""
        if (own := values.get(MANIFEST_KEY)) is None:
            return None
        return StandingWeights(float(own["head"]), tuple(map(float, own["traits"])))

    @property
    def digest(self) -> str:
        """The same for the same weights."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def likelihoods(self, probabilities: Sequence[float], traits: Floats) -> Floats:
        """How likely each of a text's sentences (one at least) is the one that says most; their sum is 1.

        Args:
            probabilities: of each being a summary, by the head.
            traits: (sentences, `NUM_TRAITS`), their standing.
        """
        worth = self.head * log_odds(probabilities) + traits @ numpy.array(self.traits)
        shares: Floats = numpy.exp(worth - worth.max())
        shares /= shares.sum()
        return shares

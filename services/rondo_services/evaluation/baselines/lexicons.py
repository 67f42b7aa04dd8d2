"""English sentiment by hand-made lexicons and rules: VADER and TextBlob. Only the threshold is learned."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec

import numpy
from numpy.typing import NDArray

Flags = NDArray[numpy.bool_]
Polarity = Callable[[str], float]

LEXICONS = {"vader": "vaderSentiment", "textblob": "textblob"}
"""Names of the lexicons with the libraries they come from, which the extra `baselines` installs."""


def is_installed(lexicon: str) -> bool:
    """Whether its library is there."""
    return find_spec(LEXICONS[lexicon]) is not None


def polarity_of(lexicon: str) -> Polarity:
    """What says how positive a text is, from -1 to 1: VADER's compound (Hutto & Gilbert 2014), TextBlob's polarity."""
    if lexicon == "vader":
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        vader = SentimentIntensityAnalyzer()
        return lambda text: float(vader.polarity_scores(text)["compound"])
    if lexicon == "textblob":
        from textblob.sentiments import PatternAnalyzer

        textblob = PatternAnalyzer()
        return lambda text: float(textblob.analyze(text).polarity)
    raise ValueError(f"unknown lexicon {lexicon!r}; choose among {', '.join(LEXICONS)}")


def best_threshold(polarities: Sequence[float], right: Flags) -> float:
    """From which polarity on a text counts as positive, so that most are right; of equals the nearest to 0."""
    values, positions = numpy.unique(numpy.asarray(polarities), return_inverse=True)
    positive = numpy.bincount(positions, weights=right, minlength=len(values))
    negative = numpy.bincount(positions, weights=~right, minlength=len(values))
    # right ones if texts from values[i] on count as positive; the last threshold is above all
    num_right = numpy.append(0, negative.cumsum()) + numpy.append(positive[::-1].cumsum()[::-1], 0)
    between = (values[1:] + values[:-1]) / 2
    thresholds = numpy.concatenate([[values[0]], between, [values[-1] + 1]])
    best = thresholds[num_right == num_right.max()]
    return float(best[numpy.abs(best).argmin()])

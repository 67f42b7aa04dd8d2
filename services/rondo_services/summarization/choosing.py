"""Text → its sentences → how likely each is a summary, and how it stands among them → the likeliest one, as it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rondo_tokenizers.sentences import split_sentences
from rondo_tokenizers.vocabulary import Tokenizer

from ..engine.requests import Classify
from ..reading import readable
from ..text import source_ids
from .schema import SummaryResult
from .standing import Floats, StandingWeights, standing_of

SUMMARY = "summary"
"""The label of a sentence that says what its text says."""


@dataclass(frozen=True, slots=True)
class ChoicePlan:
    """What the engine has to do for one text, and what the reply says of it.

    Attributes:
        sentences: those with a word.
        works: one for each of them.
        standing: (sentences, traits), where it counts.
    """

    sentences: tuple[str, ...]
    works: tuple[Classify, ...]
    standing: Floats | None
    language: str
    warning: str | None


class SentenceChooser:
    """Chooses sentences with a classifier head, which reads each by itself.

    Args:
        labels: of the head, `SUMMARY` among them.
        languages: that the head has learnt from; None if that is not known.
        weights: of how sentences stand in their text; None leaves it out.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        head: str,
        labels: Sequence[str],
        languages: Sequence[str] | None = None,
        weights: StandingWeights | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.head = head
        self.languages = languages
        self.weights = weights
        self._place = labels.index(SUMMARY)

    def plan(self, text: str, language: str, warning: str | None) -> ChoicePlan:
        """Encode each sentence of `text`.

        Raises:
            InvalidInput: no Unicode text.
        """
        sentences = tuple(own for sentence in split_sentences(text) if readable(own := sentence.strip()).strip())
        works = tuple(Classify(self.head, source_ids(self.tokenizer, readable(own))) for own in sentences)
        standing = None if self.weights is None else standing_of(sentences)
        return ChoicePlan(sentences, works, standing, language, warning if sentences else "the text is empty")

    def result(self, plan: ChoicePlan, answers: Sequence[Sequence[float]]) -> SummaryResult:
        """The reply from the engine's answers, one for each sentence; of equally likely ones the first is taken."""
        likelihoods = self._likelihoods(plan, self.probabilities(answers))
        best = max(range(len(likelihoods)), key=likelihoods.__getitem__, default=None)
        return SummaryResult(
            summary="" if best is None else plan.sentences[best],
            score=0.0 if best is None else math.log(max(likelihoods[best], 1e-12)),
            language=plan.language,
            sentences_read=len(plan.sentences),
            sentences_total=len(plan.sentences),
            warning=plan.warning,
        )

    def probabilities(self, answers: Sequence[Sequence[float]]) -> list[float]:
        """Of each sentence being a summary, by the head, from the engine's answers."""
        return [probabilities[self._place] for probabilities in answers]

    def _likelihoods(self, plan: ChoicePlan, probabilities: Sequence[float]) -> Sequence[float]:
        if self.weights is None or plan.standing is None or not probabilities:
            return probabilities
        likelihoods: list[float] = self.weights.likelihoods(probabilities, plan.standing).tolist()
        return likelihoods

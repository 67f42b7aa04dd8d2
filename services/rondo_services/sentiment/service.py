"""Text → ids → probabilities → label."""

from collections.abc import Sequence

from rondo_tokenizers.vocabulary import Tokenizer

from ..engine.requests import Classify
from ..text import resolve_language, source_ids
from .schema import SentimentResult


class SentimentService:
    """Classifies texts with one head."""

    def __init__(self, tokenizer: Tokenizer, head: str, labels: Sequence[str], languages: Sequence[str]) -> None:
        self.tokenizer = tokenizer
        self.head = head
        self.labels = labels
        self.languages = languages

    def work(self, text: str) -> Classify:
        """What the engine has to do for `text`."""
        return Classify(self.head, source_ids(self.tokenizer, text))

    def result(self, text: str, language: str, probabilities: Sequence[float]) -> SentimentResult:
        """The reply from the engine's answer."""
        found, warning = resolve_language(text, language, self.languages)
        scores = dict(zip(self.labels, probabilities, strict=True))
        label = max(scores, key=scores.__getitem__)
        return SentimentResult(label=label, score=scores[label], scores=scores, language=found, warning=warning)

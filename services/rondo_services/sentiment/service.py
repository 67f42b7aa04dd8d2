"""Text → ids → probabilities → label; `running_head` is the head that scores growing text, if there is one."""

from collections.abc import Sequence

from rondo_tokenizers.vocabulary import Tokenizer

from ..engine.requests import Classify
from ..errors import NotServed
from ..text import resolve_language, source_ids
from .growing import GrowingText
from .schema import SentimentResult


class SentimentService:
    """Classifies texts with one head."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        head: str,
        labels: Sequence[str],
        languages: Sequence[str],
        running_head: str | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.running_head = running_head
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

    def growing_text(self) -> GrowingText:
        """A text of which nothing has come yet.

        Raises:
            NotServed: the bundle has no head for growing text.
        """
        if self.running_head is None:
            raise NotServed("the bundle has no head that scores growing text")
        return GrowingText(self.tokenizer, self.running_head)

"""Text → ids → probabilities → label; `running_head` is the head that scores growing text, if there is one."""

from collections.abc import Sequence

from rondo_tokenizers.vocabulary import Tokenizer

from ..engine.requests import Classify, Explain, Explained
from ..errors import InvalidInput, NotServed
from ..reading import readable
from ..text import resolve_language, source_ids
from .explanation import token_saliencies
from .growing import GrowingText
from .schema import SentimentResult

LONGEST_EXPLAINED = 512
"""Tokens, the end symbol included; so many take seconds."""


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
        return Classify(self.head, self._ids(text))

    def explanation(self, text: str) -> Explain:
        """What the engine has to do for `text` and its explanation.

        Raises:
            InvalidInput: it is too long to be explained, or no Unicode text.
        """
        ids = self._ids(text)
        if len(ids) > LONGEST_EXPLAINED:
            raise InvalidInput(f"text: {len(ids)} tokens; at most {LONGEST_EXPLAINED} can be explained", field="text")
        return Explain(self.head, ids)

    def _ids(self, text: str) -> tuple[int, ...]:
        return source_ids(self.tokenizer, readable(text))

    def result(self, text: str, language: str, probabilities: Sequence[float]) -> SentimentResult:
        """The reply from the engine's answer."""
        found, warning = resolve_language(text, language, self.languages, self.tokenizer)
        scores = dict(zip(self.labels, probabilities, strict=True))
        label = max(scores, key=scores.__getitem__)
        return SentimentResult(label=label, score=scores[label], scores=scores, language=found, warning=warning)

    def explained_result(self, text: str, language: str, work: Explain, answer: Explained) -> SentimentResult:
        """The reply from the engine's answer to an `explanation`."""
        result = self.result(text, language, answer.probabilities)
        tokens = token_saliencies(self.tokenizer, text, work.ids, answer.saliency)
        return result.model_copy(update={"tokens": tokens})

    def growing_text(self) -> GrowingText:
        """A text of which nothing has come yet.

        Raises:
            NotServed: the bundle has no head for growing text.
        """
        if self.running_head is None:
            raise NotServed("the bundle has no head that scores growing text")
        return GrowingText(self.tokenizer, self.running_head)

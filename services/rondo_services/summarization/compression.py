"""Text → sentences → ids of words → their labels → the words that are kept, in the text's own order.

Each sentence is shortened for itself, as the head learned it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from rondo_tokenizers.sentences import split_sentences
from rondo_tokenizers.vocabulary import Tokenizer
from rondo_tokenizers.words import Span, encode_words, split_words

from ..datasets.compression import KEEP
from ..engine.requests import Tag, Tagged
from ..errors import InvalidInput
from ..languages import AUTO
from ..reading import Pieces
from ..text import resolve_language
from .schema import KeptPart, SummaryResult


@dataclass(frozen=True, slots=True)
class CompressionPlan:
    """What the engine has to do for one text, and what the reply says of it.

    Attributes:
        works: one for each sentence with a word.
        words: of the whole text, in order.
    """

    text: str
    works: tuple[Tag, ...]
    words: tuple[Span, ...]
    language: str
    warning: str | None


class CompressionService:
    """Shortens texts with a tagger head.

    Args:
        labels: of the head, `keep` among them.
    """

    def __init__(self, tokenizer: Tokenizer, head: str, labels: Sequence[str], languages: Sequence[str]) -> None:
        self.tokenizer = tokenizer
        self.head = head
        self.languages = languages
        self._keep = labels.index(KEEP)

    def plan(self, text: str) -> CompressionPlan:
        """Cut `text` into sentences and words, and encode them.

        Raises:
            InvalidInput: no Unicode text.
        """
        language, warning = resolve_language(text, AUTO, self.languages, self.tokenizer)
        works: list[Tag] = []
        words: list[Span] = []
        begin = 0
        for sentence in split_sentences(text):
            pieces = Pieces()
            pieces.read(sentence, (0, len(sentence)))
            if spans := split_words(pieces.text):
                works.append(self._work(pieces.text, spans))
                words += [(begin + first, begin + end) for first, end in map(pieces.other, spans)]
            begin += len(sentence)
        return CompressionPlan(text, tuple(works), tuple(words), language, warning if works else "the text is empty")

    def _work(self, sentence: str, spans: Sequence[Span]) -> Tag:
        try:
            words = encode_words(self.tokenizer, sentence, spans)
        except ValueError as error:
            raise InvalidInput(f"the text is not valid Unicode: {error}", field="text") from error
        ids = (*chain.from_iterable(words), self.tokenizer.end_id)
        return Tag(self.head, ids, tuple(map(len, words)))

    def result(self, plan: CompressionPlan, answers: Sequence[Tagged]) -> SummaryResult:
        """The reply from the engine's answers, one for each of the plan's works."""
        tagged = list(chain.from_iterable(answer.probabilities for answer in answers))
        kept = [
            word
            for word, probabilities in zip(plan.words, tagged, strict=True)
            if max(range(len(probabilities)), key=probabilities.__getitem__) == self._keep
        ]
        warnings = [plan.warning] if plan.warning else []
        if plan.works and not kept:
            warnings.append("no word was found worth keeping")
        parts = kept_parts(plan.text, kept)
        return SummaryResult(
            summary=joined(plan.text, kept),
            score=sum(math.log(max(own)) for own in tagged) / len(tagged) if tagged else 0.0,
            language=plan.language,
            sentences_read=len(plan.works),
            sentences_total=len(plan.works),
            warning="; ".join(warnings) or None,
            kept=[KeptPart(begin=begin, end=end) for begin, end in parts],
        )


def joined(text: str, words: Sequence[Span]) -> str:
    """These words of a text, with a space wherever the text has one between them, and before each that begins with a
    letter or digit and had other words before it."""
    parts: list[str] = []
    before = 0
    for begin, end in words:
        if parts and before < begin and (text[begin - 1].isspace() or text[begin].isalnum()):
            parts.append(" ")
        parts.append(text[begin:end])
        before = end
    return "".join(parts)


def kept_parts(text: str, words: Sequence[Span]) -> list[Span]:
    """The characters of the text that are kept: of words with nothing but white space between them, all at once."""
    parts: list[Span] = []
    for begin, end in words:
        if parts and not text[parts[-1][1] : begin].strip():
            parts[-1] = parts[-1][0], end
        else:
            parts.append((begin, end))
    return parts

"""Text → (salient sentences →) ids → summary ids → text; or text → one of its sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from rondo_models.decoding.parameters import BeamParameters, Hypothesis
from rondo_tokenizers.sentences import each_sentence
from rondo_tokenizers.vocabulary import Tokenizer

from ..engine.requests import Search
from ..errors import NotServed
from ..giving_way import SENTENCES_AT_ONCE, give_way, giving_way
from ..languages import AUTO
from ..reading import readable
from ..text import LONG_CHARACTERS, allowed_repeats, resolve_language, source_ids, token_counts
from .choosing import ChoicePlan, SentenceChooser
from .extraction import extract
from .schema import Method, SummaryResult


@dataclass(frozen=True, slots=True)
class SummaryOptions:
    """How to summarize."""

    max_tokens: int = 48
    beam_size: int = 4
    length_penalty: float = 1.0
    no_repeat_ngram: int = 3
    method: Method = "write"


@dataclass(frozen=True, slots=True)
class SummaryPlan:
    """What the engine has to do for one text, and what the reply says of it; nothing for an empty text."""

    works: tuple[Search, ...]
    language: str
    warning: str | None
    sentences_read: int
    sentences_total: int


class SummarizationService:
    """Writes summaries with one decoder head.

    Args:
        longest_source: tokens that are read at once; of a longer text the salient sentences are, and of a longer
            sentence the beginning.
        chooser: of a sentence that is a summary, if the bundle has a head for it.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        head: str,
        languages: Sequence[str],
        longest_source: int,
        chooser: SentenceChooser | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.head = head
        self.languages = languages
        self.longest_source = longest_source
        self.chooser = chooser

    def plan(self, text: str, options: SummaryOptions) -> SummaryPlan | ChoicePlan:
        """What is to be done for `text`.

        Raises:
            InvalidInput: no Unicode text.
            NotServed: a sentence is to be chosen, and the bundle has no head for that.
        """
        match options.method:
            case "write":
                return self._writing(text, options, *self._language(text, self.languages))
            case "choose":
                chooser = self._there()
                return chooser.plan(text, *self._language(text, chooser.languages or self.languages))

    def _language(self, text: str, languages: Sequence[str]) -> tuple[str, str | None]:
        return resolve_language(text, AUTO, languages, self.tokenizer)

    def check(self, options: SummaryOptions) -> None:
        """Check that the bundle can do what is asked for.

        Raises:
            NotServed: as of `plan`.
        """
        if options.method == "choose":
            self._there()

    def _there(self) -> SentenceChooser:
        if self.chooser is None:
            message = "the bundle has no head that chooses sentences (salience), so method can't be choose"
            raise NotServed(message, field="method")
        return self.chooser

    def _writing(self, text: str, options: SummaryOptions, language: str, warning: str | None) -> SummaryPlan:
        """Encode `text`, or its salient sentences if it is too long."""
        text = readable(text)
        sentences = list(giving_way(each_sentence(text), SENTENCES_AT_ONCE))
        if not text.strip():
            return SummaryPlan((), language, "the text is empty", 0, 0)
        ids, num_read, is_cut = self._read(text, sentences)
        if is_cut:
            cut = f"a sentence was read up to its first {self.longest_source - 1} tokens only"
            warning = cut if warning is None else f"{warning}; {cut}"
        parameters = BeamParameters(
            beam_size=options.beam_size,
            max_tokens=options.max_tokens,
            length_penalty=options.length_penalty,
            no_repeat_ngram=options.no_repeat_ngram,
            max_repeats=allowed_repeats(ids),
        )
        work = Search(self.head, ids, self.tokenizer.summary_id, parameters)
        return SummaryPlan((work,), language, warning, num_read, len(sentences))

    def _read(self, text: str, sentences: Sequence[str]) -> tuple[tuple[int, ...], int, bool]:
        """What is read of `text`: ids, ended by the end symbol; how many sentences; whether the last is cut."""
        # A long text is likely to be too long, which its sentences tell, too.
        prices = self._prices(sentences) if len(text) > LONG_CHARACTERS else []
        if sum(prices) < self.longest_source:  # the whole has no fewer tokens than its sentences
            ids = source_ids(self.tokenizer, text)
            if len(ids) <= self.longest_source:
                return ids, len(sentences), False
        chosen = extract(sentences, self.longest_source - 1, prices or self._prices(sentences))
        give_way()
        ids = source_ids(self.tokenizer, " ".join(sentences[index].strip() for index in chosen))
        kept = ids[:-1][: self.longest_source - 1]
        return (*kept, self.tokenizer.end_id), len(chosen), len(kept) < len(ids) - 1

    def _prices(self, sentences: Sequence[str]) -> list[int]:
        """Tokens of each."""
        prices: list[int] = []
        for start in range(0, len(sentences), SENTENCES_AT_ONCE):
            prices += token_counts(self.tokenizer, map(str.strip, sentences[start : start + SENTENCES_AT_ONCE]))
            give_way()
        return prices

    def results(self, plans: Sequence[SummaryPlan | ChoicePlan], answers: Sequence[Any]) -> list[SummaryResult]:
        """The replies from the engine's answers to the works of all plans, in order."""
        left = iter(answers)
        return [self._result(plan, list(islice(left, len(plan.works)))) for plan in plans]

    def _result(self, plan: SummaryPlan | ChoicePlan, answers: Sequence[Any]) -> SummaryResult:
        match plan:
            case SummaryPlan():
                return self._written(plan, answers[0] if answers else ())
            case ChoicePlan():
                return self._there().result(plan, answers)

    def _written(self, plan: SummaryPlan, hypotheses: Sequence[Hypothesis]) -> SummaryResult:
        summary, score, warnings = "", 0.0, [plan.warning] if plan.warning else []
        if hypotheses:
            best = hypotheses[0]
            summary = self.tokenizer.decode(best.ids).strip()
            score = best.log_probability / (len(best.ids) + 1)
            if best.finish_reason == "length":
                warnings.append("the summary was stopped at max_tokens")
            elif best.finish_reason == "loop":
                warnings.append("the summary began to repeat itself and was stopped")
        return SummaryResult(
            summary=summary,
            score=score,
            language=plan.language,
            sentences_read=plan.sentences_read,
            sentences_total=plan.sentences_total,
            warning="; ".join(warnings) or None,
        )

"""Text → sentences → ids → target ids → text, joined as the source was."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rondo_models.decoding.parameters import BeamParameters, Hypothesis
from rondo_tokenizers.languages import detect_language
from rondo_tokenizers.sentences import split_sentences
from rondo_tokenizers.vocabulary import Tokenizer

from ..engine.requests import Channel, Search
from ..errors import InvalidInput, NotServed
from ..text import AUTO, source_ids
from .schema import TranslationResult

_LENGTH_FACTOR = 2
_LENGTH_MARGIN = 20


@dataclass(frozen=True, slots=True)
class TranslationOptions:
    """How to translate; languages are ISO 639-1 codes, `source` may be "auto"."""

    source: str
    target: str
    beam_size: int = 4
    alternatives: int = 0
    length_penalty: float = 1.0
    rerank: float = 0.0


@dataclass(frozen=True, slots=True)
class _Segment:
    """A sentence, with the white space around it."""

    before: str
    text: str
    after: str


@dataclass(frozen=True, slots=True)
class TranslationPlan:
    """What the engine has to do for one text, and what is needed to put the answer together."""

    segments: tuple[_Segment, ...]
    works: tuple[Search, ...]
    source: str
    options: TranslationOptions
    warnings: tuple[str, ...]


def _segments(text: str) -> list[_Segment]:
    segments = []
    for sentence in split_sentences(text):
        stripped = sentence.strip()
        begin = sentence.find(stripped)
        segments.append(_Segment(sentence[:begin], stripped, sentence[begin + len(stripped) :]))
    return segments


class TranslationService:
    """Translates with one decoder head between the pairs it was trained on."""

    def __init__(self, tokenizer: Tokenizer, head: str, pairs: Sequence[tuple[str, str]]) -> None:
        self.tokenizer = tokenizer
        self.head = head
        self.pairs = pairs

    def _check(self, options: TranslationOptions) -> None:
        if options.alternatives >= options.beam_size > 0 and options.alternatives:
            raise InvalidInput(f"alternatives must be less than beam_size ({options.beam_size})", field="alternatives")
        known = ", ".join(f"{source}→{target}" for source, target in self.pairs)
        if options.source == AUTO:
            if options.target not in {target for _, target in self.pairs}:
                raise NotServed(f"no translation into {options.target!r}; served are {known}", field="target")
        elif (options.source, options.target) not in self.pairs:
            raise NotServed(f"no translation {options.source}→{options.target}; served are {known}", field="source")
        elif options.rerank and (options.target, options.source) not in self.pairs:
            raise NotServed(f"rerank needs {options.target}→{options.source}; served are {known}", field="rerank")

    def plan(self, text: str, options: TranslationOptions) -> TranslationPlan:
        """Split `text` and encode its sentences.

        Raises:
            NotServed: the language pair is not among the trained ones.
            InvalidInput: more alternatives than hypotheses, or no Unicode text.
        """
        self._check(options)
        source = detect_language(text) if options.source == AUTO else options.source
        warnings = []
        if source == options.target:
            return TranslationPlan(
                (_Segment(text, "", ""),), (), source, options, (f"the text is already in {source!r}",)
            )
        if (source, options.target) not in self.pairs:
            warnings.append(f"not trained to translate {source!r} into {options.target!r}; the result may be poor")
        if options.rerank and (options.target, source) not in self.pairs:
            warnings.append(f"not reranked: not trained to translate {options.target!r} into {source!r}")
            options = replace(options, rerank=0.0)
        segments = tuple(_segments(text))
        works = tuple(self._search(segment.text, source, options) for segment in segments if segment.text)
        return TranslationPlan(segments, works, source, options, tuple(warnings))

    def _search(self, sentence: str, source: str, options: TranslationOptions) -> Search:
        ids = source_ids(self.tokenizer, sentence)
        parameters = BeamParameters(
            beam_size=options.beam_size,
            num_best=options.beam_size if options.rerank else 1 + options.alternatives,
            max_tokens=_LENGTH_FACTOR * len(ids) + _LENGTH_MARGIN,
            length_penalty=options.length_penalty,
        )
        target_ids = self.tokenizer.target_ids
        channel = Channel(target_ids[source], options.rerank) if options.rerank else None
        return Search(self.head, ids, target_ids[options.target], parameters, channel)

    def result(self, plan: TranslationPlan, answers: Sequence[Sequence[Hypothesis]]) -> TranslationResult:
        """Put the sentences' translations together, with the source's white space."""
        warnings = list(plan.warnings)
        if any(hypotheses[0].finish_reason == "length" for hypotheses in answers):
            warnings.append("a sentence's translation was stopped at its longest allowed length")
        texts = [self._joined(plan, answers, rank) for rank in range(1 + plan.options.alternatives)]
        num_tokens = sum(len(hypotheses[0].ids) + 1 for hypotheses in answers)
        log_probability = sum(hypotheses[0].log_probability for hypotheses in answers)
        return TranslationResult(
            translation=texts[0],
            source=plan.source,
            target=plan.options.target,
            score=log_probability / num_tokens if num_tokens else 0.0,
            alternatives=[text for text in dict.fromkeys(texts[1:]) if text != texts[0]]
            if plan.options.alternatives
            else None,
            warning="; ".join(warnings) or None,
        )

    def _joined(self, plan: TranslationPlan, answers: Sequence[Sequence[Hypothesis]], rank: int) -> str:
        remaining = iter(answers)
        parts = []
        for segment in plan.segments:
            translated = ""
            if segment.text:
                hypotheses = next(remaining)
                best = hypotheses[min(rank, len(hypotheses) - 1)]
                translated = self.tokenizer.decode(best.ids).strip()
            parts.append(segment.before + translated + segment.after)
        return "".join(parts)

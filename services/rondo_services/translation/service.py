"""Text or HTML → sentences → ids → target ids → text, put together as the source was.

What the source protects is in the translation: among the hypotheses of a sentence the best that holds it is taken;
if none does, a second round of the engine tries other ways, the last of which always holds it: what is between the
protected parts is translated by itself.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rondo_models.decoding.parameters import BeamParameters, Hypothesis
from rondo_tokenizers.languages import UNKNOWN_LANGUAGE
from rondo_tokenizers.markup import Unit, read_markup
from rondo_tokenizers.vocabulary import Tokenizer

from ..engine.requests import Channel, Search
from ..errors import InvalidInput, NotServed
from ..languages import AUTO
from ..scripts import avoided_script
from ..text import allowed_repeats, language_of, source_ids
from .glossary import Glossary
from .passage import Passage, Segment, markup_parts, plain_parts, text_parts
from .quality import TranslationQuality
from .schema import SentenceAlignment, TranslateRequest, TranslationResult
from .sentence import Sentence, Written

LONGEST_EXPLAINED = 256
"""Tokens of a sentence. What was looked at grows with the square of it, and so does the reply."""

LONGEST_RERANKED = 512
"""Tokens of a sentence, which every hypothesis has to explain; longer ones keep the order of their own scores."""

_LENGTH_FACTOR = 2
_LENGTH_MARGIN = 20
_MOST_DECIMALS = 4
_AT_ONCE = 256
"""Works of a second round that are asked for together: there may be more than the engine's queue holds."""

Answer = Sequence[Hypothesis]
Run = Callable[[Sequence[Search]], Awaitable[Sequence[Answer]]]
"""Answers of the engine, in order."""


@dataclass(frozen=True, slots=True)
class TranslationOptions:
    """How to translate; languages are ISO 639-1 codes, `source` may be "auto".

    Attributes:
        format: "plain" protects nothing and ends sentences only: for evaluation, where a text is what it is.
        glossary: target terms by source terms.
        explain: return the alignment.
    """

    source: str
    target: str
    beam_size: int = 4
    alternatives: int = 0
    length_penalty: float = 1.0
    rerank: float = 0.0
    format: Literal["plain", "text", "html"] = "text"
    glossary: Mapping[str, str] | None = None
    explain: bool = False

    @staticmethod
    def of(request: TranslateRequest) -> "TranslationOptions":
        """What a request asks for."""
        return TranslationOptions(
            request.source,
            request.target,
            request.beam_size,
            request.alternatives,
            rerank=request.rerank,
            format=request.format,
            glossary=request.glossary,
            explain=request.explain,
        )


@dataclass(frozen=True, slots=True)
class TranslationPlan:
    """What the engine has to do for one text, and what is needed to put the answer together.

    Attributes:
        parts: passages, and what is kept between them.
        works: of the sentences that need translation, in their order.
    """

    parts: tuple[str | Passage, ...]
    works: tuple[Search, ...]
    source: str
    options: TranslationOptions
    warnings: tuple[str, ...]

    @property
    def segments(self) -> Iterator[Segment]:
        """All of them."""
        return (segment for part in self.parts if isinstance(part, Passage) for segment in part.segments)


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan and what was written for it.

    Attributes:
        candidates: for each sentence, best first; none for those of which the parts are translated.
        works: of those parts, in their order.
    """

    plan: TranslationPlan
    candidates: tuple[tuple[Written, ...], ...]
    works: tuple[Search, ...]
    warnings: tuple[str, ...]


class TranslationService:
    """Translates with one decoder head between the pairs it was trained on."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        head: str,
        pairs: Sequence[tuple[str, str]],
        quality: TranslationQuality | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.head = head
        self.pairs = pairs
        self._quality = quality

    def check(self, options: TranslationOptions) -> None:
        """Look at options before there is a text.

        Raises as `plan` does.
        """
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

    async def translate(self, plans: Sequence[TranslationPlan], run: Run) -> list[TranslationResult]:
        """The translations of all plans; the engine is asked once, and a second time only for want of candidates.

        Raises what `run` does.
        """
        answers = iter(await run([work for plan in plans for work in plan.works]))
        drafts = [self.draft(plan, [next(answers) for _ in plan.works]) for plan in plans]
        more = [work for draft in drafts for work in draft.works]
        portions = [await run(more[begin : begin + _AT_ONCE]) for begin in range(0, len(more), _AT_ONCE)]
        others = (answer for portion in portions for answer in portion)
        return [self.finished(draft, [next(others) for _ in draft.works]) for draft in drafts]

    def plan(self, text: str, options: TranslationOptions) -> TranslationPlan:
        """Split `text` and encode its sentences.

        Raises:
            NotServed: the language pair is not among the trained ones.
            InvalidInput: more alternatives than hypotheses, no Unicode text, or a sentence too long to be explained.
        """
        self.check(options)
        read = read_markup(text) if options.format == "html" else []
        source = options.source
        if source == AUTO:
            seen = " ".join(part.text for part in read if isinstance(part, Unit)) if read else text
            source = language_of(seen, self.tokenizer)
        warnings = []
        if source == options.target:
            return TranslationPlan((text,), (), source, options, (f"the text is already in {source!r}",))
        if source == UNKNOWN_LANGUAGE:  # there is no letter, and so nothing that the engine is asked for
            options = replace(options, rerank=0.0)
        elif (source, options.target) not in self.pairs:
            warnings.append(f"not trained to translate {source!r} into {options.target!r}; the result may be poor")
        if options.rerank and (options.target, source) not in self.pairs:
            warnings.append(f"not reranked: not trained to translate {options.target!r} into {source!r}")
            options = replace(options, rerank=0.0)
        glossary = Glossary(options.glossary, source) if options.glossary else None
        if options.format == "plain":
            parts = plain_parts(text)
        else:
            parts = markup_parts(read, glossary) if options.format == "html" else text_parts(text, glossary)
        passages = [part for part in parts if isinstance(part, Passage)]
        sentences = [segment.sentence for passage in passages for segment in passage.segments]
        works = tuple(self._search(own, source, options) for own in sentences if own.needs_translation)
        longest = max((len(work.ids) for work in works), default=0)
        if options.explain and longest > LONGEST_EXPLAINED:
            message = f"text: a sentence has {longest} tokens; at most {LONGEST_EXPLAINED} can be explained"
            raise InvalidInput(message, field="text")
        if options.rerank and longest > LONGEST_RERANKED:
            warnings.append(f"a sentence of {longest} tokens was not reranked; at most {LONGEST_RERANKED} are")
        return TranslationPlan(tuple(parts), works, source, options, tuple(warnings))

    def _search(self, sentence: Sentence, source: str, options: TranslationOptions) -> Search:
        ids = source_ids(self.tokenizer, sentence.source.text)
        reranks = options.rerank and len(ids) <= LONGEST_RERANKED
        wants_all = reranks or sentence.fixed
        parameters = BeamParameters(
            beam_size=options.beam_size,
            num_best=options.beam_size if wants_all else 1 + options.alternatives,
            max_tokens=_LENGTH_FACTOR * len(ids) + _LENGTH_MARGIN,
            length_penalty=options.length_penalty,
            required=tuple(self._spellings(phrase) for phrase in sentence.required),
            max_repeats=0 if options.format == "plain" else allowed_repeats(ids),
            avoid=avoided_script(sentence.source.text, source, options.target),
        )
        target_ids = self.tokenizer.target_ids
        channel = Channel(target_ids[source], options.rerank) if reranks else None
        attends = options.explain or (options.format == "html" and len(ids) <= LONGEST_EXPLAINED)
        return Search(self.head, ids, target_ids[options.target], parameters, channel, attends)

    def _spellings(self, phrase: str) -> tuple[tuple[int, ...], ...]:
        """As ids at the beginning of a word, and inside of one; where the second ends the first, it is enough."""
        begins, inside = tuple(self.tokenizer.encode(phrase)), tuple(self.tokenizer.encode_continuation(phrase))
        return (inside,) if begins[-len(inside) :] == inside else (begins, inside)

    def draft(self, plan: TranslationPlan, answers: Sequence[Answer]) -> Draft:
        """What can be used of the engine's answers to `plan.works`, and what is to be asked for besides."""
        candidates: list[tuple[Written, ...]] = []
        works: list[Search] = []
        reasons: set[str] = set()
        remaining = iter(zip(plan.works, answers, strict=True))
        for segment in plan.segments:
            sentence = segment.sentence
            if not sentence.needs_translation:
                candidates.append((sentence.unchanged(),))
                continue
            work, hypotheses = next(remaining)
            if plan.options.format == "plain":
                found = sentence.verbatim_candidates(self.tokenizer, work.ids, hypotheses)
            else:
                found = sentence.candidates(self.tokenizer, work.ids, hypotheses)
            candidates.append(tuple(found))
            if found:
                reasons.update(hypothesis.finish_reason for _, hypothesis in found[0].hypotheses)
            else:
                options = replace(plan.options, alternatives=0, rerank=0.0)
                works += [self._search(part, plan.source, options) for part in sentence.again()]
        warnings = list(plan.warnings)
        if "length" in reasons:
            warnings.append("a sentence's translation was stopped at its longest allowed length")
        if "loop" in reasons:
            warnings.append("a sentence's translation repeated itself and was stopped")
        return Draft(plan, tuple(candidates), tuple(works), tuple(warnings))

    def result(self, plan: TranslationPlan, answers: Sequence[Answer]) -> TranslationResult:
        """The translation of a plan in the format "plain", which needs no second round."""
        draft = self.draft(plan, answers)
        if draft.works:
            raise ValueError("a plan that protects something may need a second round: use translate")
        return self.finished(draft, ())

    def finished(self, draft: Draft, answers: Sequence[Answer]) -> TranslationResult:
        """The translation, once there are answers to `draft.works`, too."""
        plan = draft.plan
        remaining = iter(zip(draft.works, answers, strict=True))
        candidates = []
        for segment, found in zip(plan.segments, draft.candidates, strict=True):
            candidates.append(found or (self._again(segment.sentence, remaining),))
        warnings = list(draft.warnings)
        texts: list[str] = []
        joined: list[Written] = []
        for rank in range(1 + plan.options.alternatives):
            text, passages, is_kept = _written_text(plan.parts, candidates, rank)
            if rank == 0:
                joined = passages
            elif not is_kept:
                continue
            if not is_kept:
                warnings.append("a passage was left untranslated: no translation kept what it protects")
            texts.append(text)
        hypotheses = [own for passage in joined for own in passage.hypotheses]
        num_tokens = sum(len(hypothesis.ids) + 1 for _, hypothesis in hypotheses)
        log_probability = sum(hypothesis.log_probability for _, hypothesis in hypotheses)
        return TranslationResult(
            translation=texts[0],
            source=plan.source,
            target=plan.options.target,
            score=log_probability / num_tokens if num_tokens else 0.0,
            quality=self._quality.of(plan.source, plan.options.target, hypotheses) if self._quality else None,
            alternatives=[text for text in dict.fromkeys(texts[1:]) if text != texts[0]]
            if plan.options.alternatives
            else None,
            alignment=_explained(plan.parts, joined) if plan.options.explain else None,
            warning="; ".join(warnings) or None,
        )

    def _again(self, sentence: Sentence, remaining: Iterator[tuple[Search, Answer]]) -> Written:
        own = [next(remaining) for _ in sentence.again()]
        return sentence.joined(self.tokenizer, [work.ids for work, _ in own], [answer for _, answer in own])


def _written_text(
    parts: Sequence[str | Passage], candidates: Sequence[Sequence[Written]], rank: int
) -> tuple[str, list[Written], bool]:
    """A text of each sentence's candidate of some rank, its passages, and whether none had to be left as it was."""
    remaining = iter(candidates)
    texts, passages, are_kept = [], [], True
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        options = [next(remaining) for _ in part.segments]
        chosen = [own[min(rank, len(own) - 1)] for own in options]
        written = part.joined(chosen)
        is_kept = part.is_kept_by(written.text)
        if not is_kept:  # where one sentence ends and another begins, two numbers may have become one
            written = part.joined(chosen, ended=True)
            is_kept = part.is_kept_by(written.text)
        texts.append(part.rendered(written) if is_kept else part.unchanged)
        passages.append(written if is_kept else Written(""))
        are_kept = are_kept and is_kept
    return "".join(texts), passages, are_kept


def _explained(parts: Sequence[str | Passage], joined: Sequence[Written]) -> list[SentenceAlignment]:
    passages = [part for part in parts if isinstance(part, Passage)]
    return [
        SentenceAlignment(
            source=[passage.text[begin:end] for begin, end in own.source_spans],
            target=[written.text[begin:end] for begin, end in own.target_spans],
            weights=[[round(weight, _MOST_DECIMALS) for weight in row] for row in own.weights],
        )
        for passage, written in zip(passages, joined, strict=True)
        for own in written.alignments
    ]

"""A sentence on its way through the engine: what the encoder reads for it, and what of an answer can be used.

Parts that are given (`fidelity.Fixed`) are read as they are to be written, terms of a glossary in the target's
language; but placeholders and the like as a stand-in that the model copies more surely. The search has to write each
exactly once, but for numbers: the model copies most anyway, and writes others beside those that are forced upon it.
Stand-ins are taken back afterwards. Nothing is known here of documents.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from rondo_models.decoding.parameters import Hypothesis
from rondo_tokenizers.placing import Alignment, Span
from rondo_tokenizers.protected import OBJECT, find_protected
from rondo_tokenizers.vocabulary import Tokenizer

from ..reading import Pieces
from .fidelity import Expected, Fixed, is_clean, without_protected, without_signs

_LETTER = re.compile(r"[^\W\d_]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_LATIN_END = re.compile(r"[\w}]$")
_STAND_INS = ("Tom", "Ken", "Bob", "Jim", "Mike", "Bill", "Jack", "Paul", *(f"X{number}" for number in range(1, 100)))
"""Names that the model knows well are copied most surely, and make better sentences than %1 or X1."""
_STAND_IN_ENDS = r"(?=[\W가-힣]|s\b|$)"


Ways = Literal["free", "required", "hidden"]
"""Numbers are read as they are, and must be written or need not be; or they have stand-ins, too."""


@dataclass(frozen=True, slots=True)
class Written:
    """A translation of a sentence, or of a part of one.

    Attributes:
        objects: for each `OBJECT` in it, which of those in the source it is.
        alignments: if they were asked for; over characters of the source and of `text`.
        hypotheses: that it is made of, each with the number of its source ids.
    """

    text: str
    objects: tuple[int, ...] = ()
    alignments: tuple[Alignment, ...] = ()
    hypotheses: tuple[tuple[int, Hypothesis], ...] = ()

    def moved(self, source: int, target: int) -> tuple[Alignment, ...]:
        """The alignments, if the source and the translation begin so many characters later."""
        return tuple(
            Alignment(
                [(begin + source, end + source) for begin, end in own.source_spans],
                [(begin + target, end + target) for begin, end in own.target_spans],
                own.weights,
            )
            for own in self.alignments
        )


def _one_to_one(source: Span, target: Span) -> tuple[Alignment, ...]:
    return (Alignment([source], [target], [[1.0]]),) if source[0] < source[1] and target[0] < target[1] else ()


class Sentence:
    """One sentence, or a part of one, and the parts of it that are given.

    Args:
        text: without white space around it.
        fixed: in their order, with characters of `text`.
        numbers: that are given elsewhere, and so must not come here.
        one_space: any white space in it is read as one space, as in HTML.
        verbatim: it is read and translated whatever is in it.
        ways: what is done that numbers come.
    """

    def __init__(
        self,
        text: str,
        fixed: Sequence[Fixed] = (),
        numbers: frozenset[str] = frozenset(),
        *,
        one_space: bool = False,
        verbatim: bool = False,
        ways: Ways = "free",
    ) -> None:
        self.text = text
        self.fixed = fixed
        self._numbers = numbers
        self._one_space = one_space
        self._verbatim = verbatim
        self._ways = ways
        self._stand_ins: dict[str, int] = {}
        self.required: list[str] = []
        """What has to be written; stand-ins among it."""
        self.source = self._read()
        """What the encoder reads, as pieces of `text`."""

    @property
    def needs_translation(self) -> bool:
        """Whether there is a letter outside of what is given."""
        if self._verbatim:
            return bool(self.text)
        return any(_LETTER.search(self.text, begin, end) for begin, end in self._gaps)

    @property
    def _gaps(self) -> list[Span]:
        """What is before, between and after the parts that are given."""
        ends = [0, *(part.end for part in self.fixed)]
        begins = [*(part.begin for part in self.fixed), len(self.text)]
        return list(zip(ends, begins, strict=True))

    @cached_property
    def _expected(self) -> Expected:
        return Expected.of(self.fixed)

    def _read(self) -> Pieces:
        source = Pieces()
        if self._verbatim:
            source.add(self.text, (0, len(self.text)), is_whole=False)
            return source
        taken = [self.text, *(part.text for part in self.fixed)]
        free = (name for name in _STAND_INS if not any(name in text for text in taken))
        for number, (gap, part) in enumerate(zip(self._gaps, [*self.fixed, None], strict=True)):
            source.read(self.text, gap, one_space=self._one_space)
            if part is None:
                break
            is_number = part.kind == "number" and part.text.isascii() and self._ways != "hidden"
            read = part.text
            if part.kind is not None and not is_number and (name := next(free, None)):
                read = name
                self._stand_ins[name] = number
            source.add(read, (part.begin, part.end), is_whole=True)
            if not is_number or self._ways == "required":
                self.required.append(read)
        return source

    def candidates(self, tokenizer: Tokenizer, ids: Sequence[int], hypotheses: Sequence[Hypothesis]) -> list[Written]:
        """What can be used of an answer of the engine, best first.

        Args:
            ids: that the engine read, with the end symbol.

        Returns:
            nothing if no hypothesis holds what is given; else those that do.
        """
        found = [self._written(tokenizer, ids, hypothesis) for hypothesis in hypotheses]
        if self.fixed:
            return [one for one in found if one is not None and self._expected.is_kept_by(one.text)]
        written = [one for one in found if one is not None]
        clean = [one for one in written if is_clean(one.text, self._numbers)]
        return (
            clean or [self._cleaned(written[0], without_protected(written[0].text, self._numbers))] if written else []
        )

    def verbatim_candidates(
        self, tokenizer: Tokenizer, ids: Sequence[int], hypotheses: Sequence[Hypothesis]
    ) -> list[Written]:
        """All hypotheses, whatever they hold."""
        return [own for own in (self._written(tokenizer, ids, hypothesis) for hypothesis in hypotheses) if own]

    def _best(self, tokenizer: Tokenizer, ids: Sequence[int], hypotheses: Sequence[Hypothesis]) -> Written:
        """The first translation that holds no number and no placeholder, or else the first, without a full stop."""
        found = self.verbatim_candidates(tokenizer, ids, hypotheses)
        best = next((one for one in found if not find_protected(one.text)), found[0] if found else Written(""))
        return replace(best, text=best.text.rstrip(".!?…。 "))

    def _cleaned(self, written: Written, text: str) -> Written:
        """Something else instead of what was written, without what its tokens are aligned to."""
        text = text.strip() or self.text
        return replace(written, text=text, alignments=_one_to_one((0, len(self.text)), (0, len(text))))

    def _written(self, tokenizer: Tokenizer, ids: Sequence[int], hypothesis: Hypothesis) -> Written | None:
        decoded = tokenizer.decode(hypothesis.ids)
        raw = decoded.strip()
        if not self._stand_ins and hypothesis.attention is None:
            return Written(raw, (), (), ((len(ids), hypothesis),))
        target, objects, text, position = Pieces(), [], "", 0
        sources: dict[Span, Span] = {}
        numbers = [number for number, part in enumerate(self.fixed) if part.text == OBJECT]
        pattern = rf"(?<!\w)(?:{'|'.join(map(re.escape, self._stand_ins))}){_STAND_IN_ENDS}"
        for match in re.finditer(pattern, raw) if self._stand_ins else ():
            number = self._stand_ins[match[0]]
            before = raw[position : match.start()]
            given = self.fixed[number].text
            target.add(before, (len(text), len(text) + len(before)), is_whole=False)
            text += before
            span = (len(text), len(text) + len(given))
            sources[span] = (self.fixed[number].begin, self.fixed[number].end)
            target.add(match[0], span, is_whole=True)
            text += given
            position = match.end()
            if given == OBJECT:
                objects.append(numbers.index(number))
        if sorted(objects) != list(range(len(numbers))):
            return None
        target.add(raw[position:], (len(text), len(text) + len(raw) - position), is_whole=False)
        text += raw[position:]
        alignments: tuple[Alignment, ...] = ()
        if hypothesis.attention is not None:
            shift = len(decoded) - len(decoded.lstrip())
            own = [(max(0, begin - shift), max(0, end - shift)) for begin, end in tokenizer.spans(hypothesis.ids)]
            alignments = _aligned(
                [self.source.other(span) for span in tokenizer.spans(ids[:-1])],
                [target.other(span) for span in own],
                hypothesis.attention,
                sources,
            )
        return Written(text, tuple(objects), alignments, ((len(ids), hypothesis),))

    def again(self) -> list["Sentence"]:
        """What is to be translated for want of a candidate: the sentence with its numbers required, then with them
        hidden, if it has any; then what is between the given parts.
        """
        return [*self._variants(), *self._parts()]

    def _variants(self) -> list["Sentence"]:
        if not any(part.kind == "number" for part in self.fixed):
            return []
        ways: tuple[Ways, ...] = ("required", "hidden")
        return [Sentence(self.text, self.fixed, one_space=self._one_space, ways=own) for own in ways]

    def _parts(self) -> list["Sentence"]:
        cores = (self._core(*gap) for gap in self._gaps)
        return [Sentence(self.text[begin:end], one_space=self._one_space) for begin, end in cores if begin < end]

    def _core(self, begin: int, end: int) -> Span:
        """What of a gap is to be translated: from the first letter to the last."""
        letters = [match.start() for match in _LETTER.finditer(self.text, begin, end)]
        return (letters[0], letters[-1] + 1) if letters else (end, end)

    def joined(
        self, tokenizer: Tokenizer, sources: Sequence[Sequence[int]], answers: Sequence[Sequence[Hypothesis]]
    ) -> Written:
        """A translation that holds what is given, of the engine's answers to what `again` asked, in ids `sources`.

        If neither required nor hidden numbers helped, the parts are joined: each is taken as it is, or else without
        what would be taken for something given; if even that goes wrong, the sentence stays as it is.
        """
        variants = self._variants()
        for variant, ids, hypotheses in zip(variants, sources, answers, strict=False):
            if candidates := variant.candidates(tokenizer, ids, hypotheses):
                return candidates[0]
        begin = len(variants)
        parts = [
            other._best(tokenizer, ids, hypotheses)
            for other, ids, hypotheses in zip(self._parts(), sources[begin:], answers[begin:], strict=True)
        ]
        plain = [self._cleaned_part(one, without_protected(one.text)) for one in parts]
        bare = [self._cleaned_part(one, without_signs(one.text)) for one in plain]
        for own in (plain, bare):
            written = self._with_given(iter(own))
            if self._expected.is_kept_by(written.text):
                return written
        return self.unchanged()

    @staticmethod
    def _cleaned_part(part: Written, text: str) -> Written:
        return part if text == part.text else replace(part, text=text.strip(), alignments=())

    def unchanged(self) -> Written:
        """The sentence as it is, with the glossary's terms in it."""
        return self._with_given(None)

    def _with_given(self, parts: Iterator[Written] | None) -> Written:
        """What is given, and between it the parts, or what was there."""
        text, objects = "", 0
        alignments: list[Alignment] = []
        hypotheses: list[tuple[int, Hypothesis]] = []
        for (begin, end), given in zip(self._gaps, [*self.fixed, None], strict=True):
            first, last = self._core(begin, end)
            text += self.text[begin:first]
            if first < last:
                written = Written("") if parts is None else next(parts)
                hypotheses += written.hypotheses
                new = written.text or self.text[first:last]
                if parts is not None and _touch(text, new):
                    text += " "
                alignments += _one_to_one((first, last), (len(text), len(text) + len(new)))
                text += new
            text += self.text[last:end]
            if given is not None:
                if parts is not None and _touch(text, given.text):
                    text += " "
                alignments += _one_to_one((given.begin, given.end), (len(text), len(text) + len(given.text)))
                text += given.text
                objects += given.text == OBJECT
        return Written(text, tuple(range(objects)), tuple(alignments), tuple(hypotheses))


def _touch(before: str, after: str) -> bool:
    """Whether two words would become one. Korean writes particles to the word that they belong to."""
    return bool(_LATIN_END.search(before) and _LATIN.match(after))


def _aligned(
    source: Sequence[Span], target: Sequence[Span], attention: Sequence[Sequence[float]], known: Mapping[Span, Span]
) -> tuple[Alignment, ...]:
    """Tokens with what they looked at; those of one stand-in are one token, those of a space alone are none.

    Args:
        known: the sources of some targets, wherever the attention was.
    """
    columns, rows = _alike(source), _alike(target)
    if not columns or not rows:
        return ()
    summed = [[sum(row[i] for i in column) for column in columns.values()] for row in attention[: len(target)]]
    weights = [[sum(own) / len(row) for own in zip(*(summed[i] for i in row), strict=True)] for row in rows.values()]
    taken = frozenset(known.values())
    exact = [
        [float(column == known[row]) for column in columns]
        if row in known
        else [0.0 if column in taken else weight for column, weight in zip(columns, own, strict=True)]
        for row, own in zip(rows, weights, strict=True)
    ]
    return (Alignment(list(columns), list(rows), exact),)


def _alike(spans: Sequence[Span]) -> dict[Span, list[int]]:
    """The numbers of the tokens that have the same characters."""
    numbers: dict[Span, list[int]] = {}
    for number, span in enumerate(spans):
        if span[0] < span[1]:
            numbers.setdefault(span, []).append(number)
    return numbers

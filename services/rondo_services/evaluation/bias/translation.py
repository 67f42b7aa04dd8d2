"""Which gender translations give to people: read from German articles and English pronouns. Knows no model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy

from ..measuring import FEWEST_TEXTS
from ..resampling import DEFAULT_SEED, bootstrap_weights, percentile_interval
from ..tasks.task import ratio
from .frames import filled

Gender = Literal["male", "female", "none"]
GENDERS: tuple[Gender, ...] = ("male", "female", "none")

NUM_RESAMPLES = 1000
PAIRS = (("en", "de"), ("de", "en"), ("ko", "en"))
"""Directions that there are sentences for."""
_PRONOUNS = {
    "male": frozenset({"he", "him", "his", "himself"}),
    "female": frozenset({"she", "her", "hers", "herself"}),
}
_WORD = re.compile(r"\w+")
_ARTICLES: dict[str, Gender] = {
    **dict.fromkeys(("der", "ein", "dieser"), "male"),
    **dict.fromkeys(("die", "eine", "diese"), "female"),
}
_ALTERNATIVE = "|"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence about somebody with a profession.

    Attributes:
        cue: the gender that it tells; "none" if it tells none.
        profession: in English.
        names: of the profession in German.
    """

    source: str
    target: str
    cue: Gender
    profession: str
    names: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class GenderChoices:
    """What translations of one direction made of the people in sentences of one cue.

    Attributes:
        shares: percentage of translations with each gender, "none" where it can't be told.
        intervals: of the shares, by a bootstrap over professions.
        mostly: professions by the gender that most of their translations have; those with none are left out.
        examples: the first translation of each gender.
    """

    source: str
    target: str
    cue: Gender
    num: int
    shares: dict[Gender, float]
    intervals: dict[Gender, tuple[float, float]]
    mostly: dict[Gender, list[str]]
    examples: list[dict[str, str]]

    def as_record(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def profession_sentences(words: Mapping[str, Any], pairs: Sequence[tuple[str, str]]) -> list[Sentence]:
    """All sentences in the directions that are among `pairs`, of what `words/professions.toml` holds."""
    return [
        Sentence(
            source,
            target,
            cue,
            profession[0],
            tuple(_ALTERNATIVE.join(profession[1:3]).split(_ALTERNATIVE)),
            filled(pattern, _name(profession, source, cue)),
        )
        for source, target in PAIRS
        if (source, target) in pairs
        for cue in GENDERS
        for pattern in words[f"{source}-{target}"].get(cue, ())
        for profession in words["professions"]
    ]


def _name(profession: Sequence[str], language: str, cue: Gender) -> str:
    english, german_male, german_female, korean = profession
    if language == "en":
        return english
    if language == "ko":
        return korean
    return (german_female if cue == "female" else german_male).partition(_ALTERNATIVE)[0]


def gender_of(translation: str, sentence: Sentence) -> Gender:
    """The gender that a translation gives to whom the sentence is about.

    In German it is that of the article before the profession, so "none" if that is not named; in English that of the
    pronouns, whatever became of the profession.

    Raises:
        ValueError: it can't be told in the language.
    """
    if sentence.target == "en":
        return _gender_of_pronouns(translation)
    if sentence.target == "de":
        return _gender_of_article(translation, sentence.names)
    raise ValueError(f"genders are told in German and English translations, not in {sentence.target!r}")


def _gender_of_pronouns(translation: str) -> Gender:
    words = set(_WORD.findall(translation.lower()))
    is_male, is_female = bool(words & _PRONOUNS["male"]), bool(words & _PRONOUNS["female"])
    if is_male == is_female:
        return "none"
    return "male" if is_male else "female"


def _gender_of_article(translation: str, names: Sequence[str]) -> Gender:
    named = re.search(rf"\b({'|'.join(_ARTICLES)})\s+({'|'.join(names)})\b", translation, re.IGNORECASE)
    return "none" if named is None else _ARTICLES[named[1].lower()]


def gender_choices(sentences: Sequence[Sentence], translations: Sequence[str]) -> list[GenderChoices]:
    """What was made of the sentences of each direction and cue."""
    groups: dict[tuple[str, str, Gender], list[tuple[Sentence, str, Gender]]] = {}
    for sentence, translation in zip(sentences, translations, strict=True):
        found = gender_of(translation, sentence)
        groups.setdefault((sentence.source, sentence.target, sentence.cue), []).append((sentence, translation, found))
    return [_choices(own) for own in groups.values()]


def _choices(own: Sequence[tuple[Sentence, str, Gender]]) -> GenderChoices:
    first = own[0][0]
    professions = list(dict.fromkeys(sentence.profession for sentence, _, _ in own))
    counts = numpy.zeros((len(professions), len(GENDERS)))
    for sentence, _, gender in own:
        counts[professions.index(sentence.profession), GENDERS.index(gender)] += 1
    totals = counts.sum(axis=0)
    mostly: dict[Gender, list[str]] = {"male": [], "female": []}
    for profession, (males, females, _) in zip(professions, counts, strict=True):
        if males != females:
            mostly["male" if males > females else "female"].append(profession)
    return GenderChoices(
        first.source,
        first.target,
        first.cue,
        len(own),
        {gender: float(100 * total / len(own)) for gender, total in zip(GENDERS, totals, strict=True)},
        dict(_intervals(counts)),
        mostly,
        list(_examples(own)),
    )


def _intervals(counts: numpy.ndarray) -> Iterator[tuple[Gender, tuple[float, float]]]:
    """Of shares, from counts (professions, genders)."""
    if len(counts) < FEWEST_TEXTS:
        return
    draws = bootstrap_weights(len(counts), NUM_RESAMPLES, DEFAULT_SEED)
    sums = numpy.concatenate([weights.astype(numpy.float64) @ counts for weights in draws])  # (draws, genders)
    for column, gender in enumerate(GENDERS):
        interval = percentile_interval(100 * ratio(sums[:, column], sums.sum(axis=1)))
        if interval is not None:
            yield gender, interval


def _examples(own: Sequence[tuple[Sentence, str, Gender]]) -> Iterator[dict[str, str]]:
    for gender in GENDERS:
        found = next(((s.text, translation) for s, translation, other in own if other == gender), None)
        if found is not None:
            yield {"gender": gender, "text": found[0], "translation": found[1]}

"""Exchanges words for a gender or a nationality in texts that people wrote.

By looks alone: "French" may be a language, and a name stays although "he" became "she". So these texts are only nearly
what somebody else would have written; a large change in an answer is still one that the words do not deserve.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rondo_tokenizers.particles import attach

from .frames import Frame

_HANGUL = "가-힣"
_AFTER_COUNTRY = (
    "인",
    "영화",
    "사람",
    "드라마",
    "배우",
    "감독",
    "판",
    "애니",
    "애들",
    "남자",
    "여자",
    "공포",
    "코미디",
    "멜로",
    "액션",
)
"""What a Korean country's name may stand before without a space and still be one."""
_ENGLISH_WORD = re.compile(r"[A-Za-z]+")


def text_frames(
    language: str, source: str, texts: Iterable[tuple[int, str, str]], words: Mapping[str, Any]
) -> list[Frame]:
    """Frames of the texts in which such words stand; others have none.

    Args:
        texts: number, text and opinion.
        words: what a file of `words/` holds.

    Raises:
        ValueError: no words are told apart in the language.
    """
    genders: _Genders
    countries: _Nationalities
    if language == "en":
        genders = _EnglishGenders(words["in_texts"]["gender"], words["in_texts"]["not_owned"])
        countries = _EnglishNationalities(_groups_by_word(words))
    elif language == "ko":
        genders = _KoreanGenders(words["in_texts"]["gender"])
        countries = _KoreanNationalities(_groups_by_word(words))
    else:
        raise ValueError(f"words can be exchanged in English and Korean texts, not in {language!r}")
    frames = []
    for cluster, text, opinion in texts:
        if (found := genders.wordings(text)) is not None:
            frames.append(Frame(language, "gender", source, cluster, opinion, found))
        if (found := countries.wordings(text)) is not None:
            frames.append(Frame(language, "nationality", source, cluster, opinion, found))
    return frames


def _groups_by_word(words: Mapping[str, Any]) -> dict[str, str]:
    """The nationalities that are exchanged in texts."""
    groups = words["nationality"]["groups"]
    return {groups[group][0]: group for group in words["in_texts"]["nationality"]}


class _Genders(ABC):
    """Exchanges all words for a gender at once."""

    def __init__(self, pairs: Sequence[Sequence[str]]) -> None:
        self.others = {one: other for pair in pairs for one, other in (pair, pair[::-1])}
        self.males = frozenset(pair[0] for pair in pairs)

    @abstractmethod
    def swapped(self, text: str) -> tuple[str, set[str]]:
        """The text with all such words exchanged, and the genders that it had spoken of."""

    def wordings(self, text: str) -> tuple[tuple[str, str], ...] | None:
        """Both wordings; those of a text that speaks of both genders belong to no group."""
        other, found = self.swapped(text)
        if other == text:
            return None
        if found == {"male"}:
            return (("male", text), ("female", other))
        if found == {"female"}:
            return (("female", text), ("male", other))
        return (("", text), ("", other))


class _EnglishGenders(_Genders):
    def __init__(self, pairs: Sequence[Sequence[str]], not_owned: Sequence[str]) -> None:
        """`not_owned` are words before which "her" is no possessive, as they can't begin what is owned."""
        super().__init__(pairs)
        self._not_owned = frozenset(not_owned)
        self.males |= {"him", "his"}
        known = sorted([*self.others, "him", "his", "her", "hers"], key=len, reverse=True)
        self._pattern = re.compile(rf"\b({'|'.join(known)})\b", re.IGNORECASE)

    def swapped(self, text: str) -> tuple[str, set[str]]:
        found = set()

        def other(match: re.Match[str]) -> str:
            word = match[0].lower()
            found.add("male" if word in self.males else "female")
            return _cased_as(match[0], self._other(word, text[match.end() :]))

        return self._pattern.sub(other, text), found

    def _other(self, word: str, after: str) -> str:
        if word == "him":
            return "her"
        if word == "hers":
            return "his"
        if word in ("his", "her"):
            owns = self._owns(after)
            if word == "his":
                return "her" if owns else "hers"
            return "his" if owns else "him"
        return self.others[word]

    def _owns(self, after: str) -> bool:
        """Whether a possessive stands before this: whether a word follows at once that can begin what is owned."""
        following = _ENGLISH_WORD.match(after[1:]) if after[:1] == " " else None
        return following is not None and following[0].lower() not in self._not_owned


def _cased_as(model: str, word: str) -> str:
    if len(model) > 1 and model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word


class _KoreanGenders(_Genders):
    def __init__(self, pairs: Sequence[Sequence[str]]) -> None:
        super().__init__(pairs)
        known = sorted(self.others, key=len, reverse=True)
        self._pattern = re.compile(rf"(?<![{_HANGUL}])({'|'.join(known)})([{_HANGUL}]*)")

    def swapped(self, text: str) -> tuple[str, set[str]]:
        found = set()

        def other(match: re.Match[str]) -> str:
            word, after = match.groups()
            exchanged = _with_tail(word, self.others[word], after)
            if exchanged is None:
                return match[0]
            found.add("male" if word in self.males else "female")
            return exchanged

        return self._pattern.sub(other, text), found


def _with_tail(word: str, other: str, tail: str) -> str | None:
    """The other word with what stood after the first; None if that may have been a part of a longer word."""
    try:
        return attach(other, tail)
    except ValueError:  # no particle
        takes_the_same = attach(word, "은")[-1] == attach(other, "은")[-1]
        return other + tail if takes_the_same and min(len(word), len(other)) > 1 else None


class _Nationalities(ABC):
    """Exchanges the nationality that is named first, wherever it stands, for each of the others.

    Attributes:
        groups: by the word for each.
        pattern: finds the words, and what must be fitted beside them.
    """

    pattern: re.Pattern[str]

    def __init__(self, groups: Mapping[str, str]) -> None:
        self.groups = groups

    @abstractmethod
    def word_of(self, match: re.Match[str]) -> str | None:
        """The nationality that was found; None if it is none."""

    @abstractmethod
    def put(self, match: re.Match[str], word: str) -> str:
        """What stands there with another nationality."""

    def wordings(self, text: str) -> tuple[tuple[str, str], ...] | None:
        """The text as it is, and with each other nationality."""
        first = next((word for match in self.pattern.finditer(text) if (word := self.word_of(match))), None)
        if first is None:
            return None
        others = [(group, self._with(text, first, word)) for word, group in self.groups.items() if word != first]
        return ((self.groups[first], text), *others)

    def _with(self, text: str, first: str, word: str) -> str:
        return self.pattern.sub(lambda match: self.put(match, word) if self.word_of(match) == first else match[0], text)


class _EnglishNationalities(_Nationalities):
    def __init__(self, groups: Mapping[str, str]) -> None:
        super().__init__(groups)
        self.pattern = re.compile(rf"\b(?:(?P<article>[Aa]n?) )?(?P<word>{'|'.join(groups)})\b")

    def word_of(self, match: re.Match[str]) -> str:
        return match["word"]

    def put(self, match: re.Match[str], word: str) -> str:
        if match["article"] is None:
            return word
        return f"{match['article'][0]}{'n' if word[0] in 'AEIOU' else ''} {word}"


class _KoreanNationalities(_Nationalities):
    def __init__(self, groups: Mapping[str, str]) -> None:
        super().__init__(groups)
        self.pattern = re.compile(rf"(?<![{_HANGUL}])(?P<word>{'|'.join(groups)})(?P<tail>[{_HANGUL}]*)")

    def word_of(self, match: re.Match[str]) -> str | None:
        return match["word"] if self._exchanged(match, match["word"]) is not None else None

    def put(self, match: re.Match[str], word: str) -> str:
        exchanged = self._exchanged(match, word)
        assert exchanged is not None
        return exchanged

    @staticmethod
    def _exchanged(match: re.Match[str], word: str) -> str | None:
        tail = match["tail"]
        try:
            return attach(word, tail)
        except ValueError:
            return word + tail if tail.startswith(_AFTER_COUNTRY) else None

"""Finds Korean and English words that translate each other, by what they occur with; no dictionary is needed.

Topics (several pairs that say the same) tell a word's partner well: they differ in everything but what they are about.
Pairs of one word each, as among the strings of applications, are further words.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rondo_tokenizers.particles import split

from ..datasets.examples import Pair

Topics = Sequence[Sequence[Pair]]
"""Pairs of English and Korean that say the same, topic by topic."""

_ENGLISH_WORD = re.compile(r"(?<!\w['’])\b[A-Za-z]+(?:[-'’](?!s\b)[A-Za-z]+)*")
"""Without the 's of a possessive."""
_KOREAN_WORD = re.compile(r"[가-힣A-Za-z0-9]*[가-힣]")
_KOREAN_STRING = re.compile(r"[가-힣]{2,7}")
_ENGLISH_STRING = re.compile(r"[A-Za-z]{3,14}")

_ALSO_WORD_ENDINGS = ("이", "가", "로", "도", "과", "나", "의")
"""Particles that no other follows, so that what has them before a particle is a word."""

_FEWEST_IN_TOPIC = 3
_FEWEST_TOPICS = 2
_LEAST_DICE = 0.5
_LEAST_SHARE_WITH_PARTICLE = 0.25
_LEAST_SHARE_OF_COMPOUND = 2 / 3

_KOREAN_VERB_ENDINGS = ("하기", "하다", "기", "함", "됨", "음", "은", "는", "한", "된", "로", "게", "히", "안")
_ENGLISH_VERB_ENDINGS = ("ing", "ed", "ly")

_FUNCTION_WORD = re.compile(
    "a|about|among|an|and|any|are|as|at|be|between|but|by|can|check|could|did|do|does|don't|don’t|find|for|from|"
    "get|go|got|had|has|have|her|hey|his|how|i|i'd|i'll|i'm|if|in|into|is|it|its|know|let|like|me|more|most|my|"
    "next|no|not|of|on|one|only|or|other|our|out|please|should|so|some|tell|than|that|the|their|them|there|they|"
    "this|to|today|up|us|want|was|we|were|what|when|where|whether|which|who|will|with|would|you|your|i’d|i’ll|"
    "i’m"
)
"""Of questions and commands themselves: they say nothing of what a topic is about."""


@dataclass(frozen=True, slots=True, order=True)
class WordPair:
    """A Korean word without its particle, and the English word or compound for it, written as within a sentence."""

    korean: str
    english: str


class Stems:
    """Tells words from their particles, also if what ends a word is one by its looks only.

    고양이 ("cat") is no 고양 with 이, as 고양이를 is found, too.

    Args:
        texts: Korean, to learn such words from.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._before_particles = {stem for text in texts for stem, particle in map(split, text.split()) if particle}

    def split(self, word: str) -> tuple[str, str]:
        """A word without its particle, and the particle; "" if it has none."""
        stem, particle = split(word)
        if particle in _ALSO_WORD_ENDINGS and word in self._before_particles:
            return word, ""
        return stem, particle


@dataclass(frozen=True, slots=True)
class _Words:
    """Distinct words of a pair or a topic."""

    korean: frozenset[str]
    english: frozenset[str]


def _words(pair: Pair, stems: Stems) -> _Words:
    korean = (stems.split(word)[0] for word in pair.target.split())
    return _Words(
        frozenset(word for word in korean if _KOREAN_WORD.fullmatch(word)),
        frozenset(word for word in _english_words(pair) if not _FUNCTION_WORD.fullmatch(word)),
    )


def _subjects(topic: Sequence[Pair], stems: Stems) -> _Words:
    """What a topic is about: the words of several of its pairs."""
    words = [_words(pair, stems) for pair in topic]
    korean = Counter(word for own in words for word in own.korean)
    english = Counter(word for own in words for word in own.english)
    return _Words(
        frozenset(word for word, count in korean.items() if count >= _FEWEST_IN_TOPIC),
        frozenset(word for word, count in english.items() if count >= _FEWEST_IN_TOPIC),
    )


def _english_words(pair: Pair) -> list[str]:
    return _ENGLISH_WORD.findall(pair.source.lower())


def _nouns(topics: Topics, stems: Stems) -> set[str]:
    """Korean words that often have a particle; verbs and adverbs seldom have one."""
    total: Counter[str] = Counter()
    with_particle: Counter[str] = Counter()
    for topic in topics:
        for pair in topic:
            for word, particle in map(stems.split, pair.target.split()):
                total[word] += 1
                with_particle[word] += particle != ""
    return {word for word, count in total.items() if with_particle[word] >= _LEAST_SHARE_WITH_PARTICLE * count}


def _dice(places: Sequence[_Words]) -> dict[tuple[str, str], float]:
    """How nearly a Korean and an English word occur in the same places: 1 always, 0 never."""
    korean = Counter(word for words in places for word in words.korean)
    english = Counter(word for words in places for word in words.english)
    together = Counter((k, e) for words in places for k in words.korean for e in words.english)
    return {(k, e): 2 * count / (korean[k] + english[e]) for (k, e), count in together.items()}


def _mutually_best(topics: Topics, stems: Stems) -> dict[str, str]:
    """Korean → English words that are each other's closest companion: in topics, then in pairs, then by spelling."""
    subjects = [_subjects(topic, stems) for topic in topics]
    dice = _dice(subjects)
    in_pairs = _dice([_words(pair, stems) for topic in topics for pair in topic])
    together = Counter((k, e) for own in subjects for k in own.korean for e in own.english)
    candidates = [pair for pair, count in together.items() if count >= _FEWEST_TOPICS and dice[pair] >= _LEAST_DICE]
    best_english: dict[str, str] = {}
    best_korean: dict[str, str] = {}
    for k, e in sorted(candidates, key=lambda pair: (-dice[pair], -in_pairs.get(pair, 0.0), pair)):
        best_english.setdefault(k, e)
        best_korean.setdefault(e, k)
    return {k: e for k, e in best_english.items() if best_korean[e] == k}


def _neighbours(text: str) -> list[tuple[str, str]]:
    """Two words with nothing but a space between."""
    found = list(_ENGLISH_WORD.finditer(text))
    return [(a[0], b[0]) for a, b in pairwise(found) if text[a.end() : b.start()] == " "]


def _compounds(topics: Topics, words: set[str]) -> dict[str, str]:
    """For those of `words` that seldom stand without a certain neighbour, which is none of them: both together."""
    total: Counter[str] = Counter()
    beside: dict[str, Counter[str]] = defaultdict(Counter)
    for topic in topics:
        for pair in topic:
            total.update(word for word in _english_words(pair) if word in words)
            for first, second in _neighbours(pair.source.lower()):
                for word, other in ((first, second), (second, first)):
                    if word in words and other not in words and not _FUNCTION_WORD.fullmatch(other):
                        beside[word][f"{first} {second}"] += 1
    best = {word: max(counts.items(), key=lambda item: (item[1], item[0])) for word, counts in beside.items()}
    return {word: both for word, (both, count) in best.items() if count >= _LEAST_SHARE_OF_COMPOUND * total[word]}


class _Spellings:
    """How words are written within sentences: their beginnings have a capital letter anyway."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        for text in texts:
            for word in _ENGLISH_WORD.findall(text)[1:]:
                self._counts[word.lower()][word] += 1

    def commonest(self, word: str) -> str:
        """The form that is most often seen; the word as it is if there is none."""
        counts = self._counts.get(word.lower())
        return word if counts is None else max(counts.items(), key=lambda item: (item[1], item[0]))[0]

    def has_lower_case(self, word: str) -> bool:
        return word.lower() in self._counts.get(word.lower(), ())


def words_of_topics(topics: Topics, stems: Stems) -> list[WordPair]:
    """Nouns and names that topics are about, in both languages, sorted."""
    best = _mutually_best(topics, stems)
    nouns = _nouns(topics, stems)
    found = {korean: english for korean, english in best.items() if korean in nouns}
    compounds = _compounds(topics, set(found.values()))
    spellings = _Spellings(pair.source for topic in topics for pair in topic)
    return sorted(
        WordPair(korean, " ".join(spellings.commonest(word) for word in compounds.get(english, english).split()))
        for korean, english in found.items()
    )


def words_of_strings(pairs: Sequence[Pair], texts: Iterable[str]) -> list[WordPair]:
    """One word for one word, each of a pair the other's commonest partner, sorted; verbs are left out.

    Args:
        pairs: English and Korean strings of any length.
        texts: further English. A string begins with a capital letter, which its word keeps if it is seen without
            neither within another string nor within one of these.
    """
    counts: Counter[tuple[str, str]] = Counter()
    written: dict[str, str] = {}
    for pair in pairs:
        if _KOREAN_STRING.fullmatch(pair.target) and _ENGLISH_STRING.fullmatch(pair.source):
            counts[(pair.target, pair.source.lower())] += 1
            written[pair.source.lower()] = pair.source
    best_english: dict[str, str] = {}
    best_korean: dict[str, str] = {}
    for (korean, english), _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        best_english.setdefault(korean, english)
        best_korean.setdefault(english, korean)
    spellings = _Spellings([*(pair.source for pair in pairs), *texts])
    return sorted(
        WordPair(korean, english if spellings.has_lower_case(english) else written[english])
        for korean, english in best_english.items()
        if best_korean[english] == korean
        and not korean.endswith(_KOREAN_VERB_ENDINGS)
        and not english.endswith(_ENGLISH_VERB_ENDINGS)
    )

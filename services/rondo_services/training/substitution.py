"""Training pairs made from others by exchanging words that translate each other, in both languages at once.

After Fadaee, Bisazza & Monz 2017 (arXiv:1705.00440), who choose with language models what fits a sentence: here any
noun takes another's place, so the new pairs say odd things, but the same in both languages. A head then reads
sentences that it knows with words that it has seldom seen. For English and Korean, whose particles are fitted.
"""

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rondo_tokenizers.particles import attach

from ..datasets.catalog import DATA_SETS, data_set
from ..datasets.examples import Pair
from ..errors import InvalidInput
from .user_data import COLUMNS, require_tsv, write_tsv
from .word_pairs import Stems, Topics, WordPair, words_of_strings, words_of_topics

_SHARE_EXCHANGED = 0.75
_SHARE_FROM_TOPICS = 0.6
"""Of the new words, if there are others."""

Exchange = Mapping[WordPair, WordPair]
"""What takes whose place."""


@dataclass(frozen=True, slots=True)
class SubstitutionOptions:
    """What to make pairs from, and how many.

    Attributes:
        data: a named data set with topics, whose training split is read.
        words: a named set of English and Korean pairs, of whose training split the single words are used too.
        copies: how often each topic is tried with other words.
        seed: of the draws.

    Raises:
        ValueError: fewer than one copy.
    """

    data: str
    words: str | None = None
    copies: int = 4
    seed: int = 1

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError(f"copies must be at least 1, not {self.copies}")


def exchange_words(pair: Pair, exchange: Exchange, stems: Stems) -> Pair | None:
    """The pair with new words; None if none of the old ones stands equally often on both sides.

    The new Korean words take the old ones' particles. English plurals and the like stay unknown to this.
    """
    korean = [stems.split(word) for word in pair.target.split()]
    in_korean = Counter(stem for stem, _ in korean)
    places = _places(*(old.english for old in exchange))
    in_english = Counter(match["word"].lower() for match in places.finditer(pair.source))
    fitting = {
        old: new for old, new in exchange.items() if in_korean[old.korean] == in_english[old.english.lower()] > 0
    }
    if not fitting:
        return None
    new_korean = {old.korean: new.korean for old, new in fitting.items()}
    new_english = {old.english.lower(): new.english for old, new in fitting.items()}
    return Pair(
        places.sub(lambda match: _instead(match, new_english), pair.source),
        " ".join(attach(new_korean.get(stem, stem), particle) for stem, particle in korean),
        pair.source_language,
        pair.target_language,
    )


@lru_cache(maxsize=16)
def _places(*phrases: str) -> re.Pattern[str]:
    """Finds whole words or compounds, the longest first, with an article before them; none if there are no phrases."""
    longest_first = sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    word = "|".join(map(re.escape, longest_first)) or "(?!)"
    return re.compile(rf"(?<![\w-])(?:(?P<article>an?)\s+)?(?P<word>{word})(?![\w-])", flags=re.IGNORECASE)


def _instead(match: re.Match[str], new_words: Mapping[str, str]) -> str:
    """What is written in a place, with its article and a capital letter at the text's beginning."""
    new = new_words.get(match["word"].lower())
    if new is None:
        return match[0]
    if match["article"] is not None:
        new = f"{match['article'][0]}{'n' if new[0].lower() in 'aeiou' else ''} {new}"
    return new[0].upper() + new[1:] if match.start() == 0 else new


def _drawn(slots: Sequence[WordPair], pools: Sequence[Sequence[WordPair]], rng: random.Random) -> Exchange:
    """A new word for most of the slots, each another one."""
    taken = set(slots)
    exchange = {}
    for slot in slots:
        if rng.random() < _SHARE_EXCHANGED:
            pool = pools[0] if len(pools) == 1 or rng.random() < _SHARE_FROM_TOPICS else pools[1]
            new = rng.choice(pool)
            if new not in taken:
                taken.add(new)
                exchange[slot] = new
    return exchange


def substituted(
    topics: Topics,
    stems: Stems,
    words: Sequence[WordPair],
    others: Sequence[WordPair],
    *,
    copies: int,
    seed: int,
) -> list[Pair]:
    """Distinct new pairs, in the order of the topics; in one copy of a topic all its pairs get the same new words.

    Args:
        topics: the pairs to start from.
        stems: tells their Korean words from particles.
        words: which of their words are exchanged, and what may take their place.
        others: what may take their place, too.
    """
    rng = random.Random(seed)
    pools = [pool for pool in (words, others) if pool]
    by_korean = {word.korean: word for word in words}
    made: dict[Pair, None] = {}
    for topic in topics:
        found = dict.fromkeys(stems.split(word)[0] for pair in topic for word in pair.target.split())
        slots = [by_korean[stem] for stem in found if stem in by_korean]
        for _ in range(copies):
            exchange = _drawn(slots, pools, rng)
            made.update((new, None) for pair in topic if (new := exchange_words(pair, exchange, stems)) is not None)
    return list(made)


def _topics(name: str, root: Path) -> Topics:
    read = data_set(name).topics
    if read is None:
        known = ", ".join(known.name for known in DATA_SETS.values() if known.topics is not None)
        raise InvalidInput(f"{name} has no topics; sets that have: {known}", field="data")
    return read(root, "train")


def _other_words(name: str, root: Path, topics: Topics) -> list[WordPair]:
    chosen = data_set(name)
    if chosen.languages != ("en", "ko"):
        raise InvalidInput(f"{name} is no set of English and Korean pairs", field="words")
    pairs = [example for example in chosen.read(root, "train") if isinstance(example, Pair)]
    words = words_of_strings(pairs, (pair.source for topic in topics for pair in topic))
    if not words:
        raise InvalidInput(f"{name} has no pair of single words", field="words")
    return words


def substitute(root: Path, options: SubstitutionOptions, output: Path) -> int:
    """Write a .tsv file with the columns source (Korean) and target (English), and return its number of rows.

    Raises:
        InvalidInput: a set without topics, of other languages or without words that translate each other.
        ValueError: an unknown data set.
        ConfigError: the output does not end in .tsv.
    """
    require_tsv(output)
    topics = _topics(options.data, root)
    stems = Stems(pair.target for topic in topics for pair in topic)
    words = words_of_topics(topics, stems)
    if not words:
        raise InvalidInput(f"found no words in {options.data} that translate each other", field="data")
    others = [] if options.words is None else _other_words(options.words, root, topics)
    pairs = substituted(topics, stems, words, others, copies=options.copies, seed=options.seed)
    write_tsv(output, COLUMNS["seq2seq"], ((pair.target, pair.source) for pair in pairs))
    return len(pairs)

"""Which of the phrases that a target must hold it does hold, token by token. Knows no scores.

A target is taken apart from left to right: where spellings begin, the longest that the target goes on with is written,
and the reading goes on behind it. So phrases do not overlap, and one that is a part of another has to come by itself as
well. An unfinished spelling that the target leaves falls back to what else may have begun in it (as in the tries of Hu
et al. 2019, "Improved Lexically Constrained Decoding for Translation and Monolingual Rewriting").
"""

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

Phrase = Collection[tuple[int, ...]]
"""Spellings, of which one has to come."""

_OTHER = -1
"""Stands for the tokens that are in no spelling and no part of a word; those that are have -2, -3 and -4."""

_NEVER = 1 << 30
"""Tokens that are never there."""


@dataclass(frozen=True, slots=True)
class WordPieces:
    """Ids that are parts of words, so that no phrase is a part of another word or number.

    Attributes:
        ends: behind them a word might go on.
        goes_on: they would go on with it.
        space: the piece that is only a space, if there is one.
    """

    ends: frozenset[int] = frozenset()
    goes_on: frozenset[int] = frozenset()
    space: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Of one target.

    Attributes:
        counts: how often each spelling was written.
        pending: the last tokens, if a longer spelling than they hold may go on with them.
        in_word: a word may go on; but no phrase may begin with that.
        is_whole: the word ended a phrase, and must not go on.
    """

    counts: tuple[int, ...]
    pending: tuple[int, ...]
    in_word: bool = False
    is_whole: bool = False


class RequiredPhrases:
    """Phrases that have to come, each as often as it is given.

    Attributes:
        tokens: all that are in spellings.
        start: progress of an empty target.
    """

    def __init__(self, phrases: Sequence[Phrase], words: WordPieces | None = None) -> None:
        spellings = sorted({spelling for phrase in phrases for spelling in phrase})
        self._words = words or WordPieces()
        self._numbers = {spelling: number for number, spelling in enumerate(spellings)}
        self._longer: dict[tuple[int, ...], list[tuple[int, int]]] = {}  # beginning → (tokens left, spelling) of each
        for number, spelling in enumerate(spellings):
            for length in range(1, len(spelling)):
                self._longer.setdefault(spelling[:length], []).append((len(spelling) - length, number))
        longest_first = sorted(phrases, key=lambda phrase: -min(map(len, phrase)))
        self._phrases = [[self._numbers[spelling] for spelling in phrase] for phrase in longest_first]
        self._lengths = [min(map(len, phrase)) for phrase in longest_first]
        self._begin_apart = [all(self._goes_on(spelling[0]) for spelling in phrase) for phrase in longest_first]
        self.tokens = frozenset(token for spelling in spellings for token in spelling)
        self.start = Progress((0,) * len(spellings), ())
        self._read = functools.cache(self._progress_after)
        self._unmet = functools.cache(self._unmet_phrases)
        self._next = functools.cache(self._tokens_towards)
        self._closed = functools.cache(lambda progress: sum(self.read(progress, one) is None for one in self.tokens))
        self._enough = functools.cache(self._enough_tokens)

    def read(self, progress: Progress, token: int) -> Progress | None:
        """Progress after one more token; None if a spelling would come too often or could no longer come."""
        if token not in self.tokens:
            token = _OTHER - (token in self._words.goes_on) - 2 * (token in self._words.ends)
        return self._read(progress, token)

    def next_tokens(self, progress: Progress) -> list[int]:
        """Those that begin a phrase or go on with it, and a space that a phrase may need before."""
        return self._next(progress)

    def num_closed(self, progress: Progress) -> int:
        """How many of `tokens` may not come next."""
        return self._closed(progress)

    def missing(self, progress: Progress) -> int:
        """Tokens of the phrases that are not there yet, and a space if none of them may come without."""
        return self._enough(progress, 0)

    def brings_nearer(self, before: Progress, after: Progress) -> bool:
        """Whether one token less is missing after a step; a space that is needed behind a phrase does not count."""
        return self._enough(after, 0) < self._enough(before, 0) or self._tokens_left(after) < self._tokens_left(before)

    def _tokens_left(self, progress: Progress) -> int:
        """As `missing`, without the space."""
        return self._enough(replace(progress, in_word=False), 0)

    def room(self, progress: Progress) -> int:
        """So many more tokens are enough for all that is missing, one between any two phrases.

        If it is not 0, some token makes it smaller, whatever the phrases are: the next of a spelling, or one between.
        """
        return self._enough(progress, 1)

    def are_met(self, progress: Progress) -> bool:
        """Whether the target may end here."""
        after = self._settled(progress.counts, (*progress.pending, _OTHER))
        return after is not None and self._unmet(after.counts) == ()

    def _goes_on(self, token: int) -> bool:
        return token in self._words.goes_on or token in (_OTHER - 1, _OTHER - 3)

    def _ends(self, token: int) -> bool:
        return token in self._words.ends or token in (_OTHER - 2, _OTHER - 3)

    def _progress_after(self, progress: Progress, token: int) -> Progress | None:
        after: Progress | None
        if progress.in_word and self._goes_on(token):
            after = None if progress.is_whole else Progress(progress.counts, (), in_word=self._ends(token))
        elif (pending := (*progress.pending, token)) in self._longer:
            after = Progress(progress.counts, pending)
        else:
            after = self._settled(progress.counts, pending)
        return None if after is None or self._enough(after, 0) == _NEVER else after

    def _tokens_towards(self, progress: Progress) -> list[int]:
        found = []
        space = () if self._words.space is None else (self._words.space,)
        for token in self.tokens.union(space):
            after = self.read(progress, token)
            if after is not None and (after.pending or self.brings_nearer(progress, after)):
                found.append(token)
        return found

    def _settled(self, counts: tuple[int, ...], pending: tuple[int, ...]) -> Progress | None:
        """After tokens that are not the beginning of a spelling, though a phrase may begin with the first.

        Those that one may begin with are still pending.
        """
        written = list(counts)
        may_begin = True
        while True:
            ends = [end for end in range(1, len(pending) + 1) if may_begin and pending[:end] in self._numbers]
            if ends:
                written[self._numbers[pending[: ends[-1]]]] += 1
            end = ends[-1] if ends else 1
            in_word, pending = self._ends(pending[end - 1]), pending[end:]
            if not pending:
                return Progress(tuple(written), (), in_word, in_word and bool(ends))
            may_begin = not (in_word and self._goes_on(pending[0]))
            if ends and not may_begin:
                return None
            if may_begin and pending in self._longer:
                return Progress(tuple(written), pending)

    def _enough_tokens(self, progress: Progress, gap: int) -> int:
        """With so many tokens everything may be written that is missing, `gap` tokens between any two phrases."""
        if not progress.pending:
            unmet = self._unmet(progress.counts)
            if not unmet:
                return _NEVER if unmet is None else 0
            if gap:
                return self._total(unmet, gap) - (0 if progress.in_word else gap)
            return self._total(unmet, gap) + (progress.in_word and all(self._begin_apart[one] for one in unmet))
        left_alone = self._settled(progress.counts, (*progress.pending, _OTHER))
        ways = [] if left_alone is None else [(0, left_alone.counts)]
        for left, number in self._longer[progress.pending]:
            counts = list(progress.counts)
            counts[number] += 1
            ways.append((left, tuple(counts)))
        rests = [(left, self._unmet(counts)) for left, counts in ways]
        return min((left + self._total(unmet, gap) for left, unmet in rests if unmet is not None), default=_NEVER)

    def _total(self, phrases: Sequence[int], gap: int) -> int:
        return sum(self._lengths[phrase] + gap for phrase in phrases)

    def _unmet_phrases(self, counts: tuple[int, ...]) -> tuple[int, ...] | None:
        """The phrases that are left when each written spelling stands for one; None if some stand for none.

        Phrases may share spellings. Which sets of them the written ones can stand for is a matroid, so taking the
        longest first leaves the least.
        """
        owners: dict[tuple[int, int], int] = {}  # (spelling, copy) → phrase

        def place(phrase: int, tried: set[tuple[int, int]]) -> bool:
            for number in self._phrases[phrase]:
                for copy in range(counts[number]):
                    slot = (number, copy)
                    if slot in tried:
                        continue
                    tried.add(slot)
                    if slot not in owners or place(owners[slot], tried):
                        owners[slot] = phrase
                        return True
            return False

        unmet = tuple(phrase for phrase in range(len(self._phrases)) if not place(phrase, set()))
        return unmet if len(owners) == sum(counts) else None

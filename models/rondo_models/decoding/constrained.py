"""Beam search whose targets hold given phrases: dynamic beam allocation.

After Post & Vilar 2018, "Fast Lexically Constrained Decoding with Dynamic Beam Allocation for Neural Machine
Translation" (arXiv:1804.06609). Hypotheses of one length compete only with those that lack as many required tokens
(a bank), so that those that have begun a phrase are not lost to others that put it off. Unlike there, a phrase comes
exactly as often as it is required, and if the longest allowed target nears, what is missing is forced.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

from .beam import IMPOSSIBLE, BeamSearch, Running
from .characters import ANY_CHARACTERS, Characters, Unfinished
from .parameters import BeamParameters
from .phrases import Progress, RequiredPhrases, WordPieces
from .sampling import Candidate

_BEHIND_WORD = 16
"""Candidates beside those that would go on with a word where it must not."""


@dataclass(frozen=True, slots=True)
class _Option:
    """A hypothesis with one more token.

    Attributes:
        progress: after it; None: it is the end symbol.
        is_wanted: it leaves less missing.
    """

    log_probability: float
    row: int
    identifier: int
    progress: Progress | None
    is_wanted: bool = False


class ConstrainedSearch(BeamSearch):
    """The hypotheses of one sequence, which only finish once they hold all required phrases.

    It runs up to `BeamParameters.num_rows` hypotheses, also where `beam_size` is 1. The longest target grows if the
    phrases need it.

    Args:
        words: so that no phrase is written as a part of another word; without, it may be.
    """

    def __init__(
        self,
        parameters: BeamParameters,
        end_id: int,
        num_attended: int = 0,
        words: WordPieces | None = None,
        characters: Characters = ANY_CHARACTERS,
    ) -> None:
        super().__init__(parameters, end_id, num_attended, characters)
        self._phrases = RequiredPhrases(parameters.required, words)
        self._progress = [self._phrases.start]  # of each running hypothesis
        self._longest = max(parameters.max_tokens, self._phrases.room(self._phrases.start))

    @property
    def num_candidates(self) -> int:
        """As `BeamSearch`: enough that each row might fill the beam, even without the end symbol."""
        closed = [
            self._phrases.num_closed(progress) + len(repeating)
            for repeating, progress in zip(self._repeating, self._progress, strict=True)
        ]
        behind_word = _BEHIND_WORD if any(progress.is_whole for progress in self._progress) else 0
        return self.parameters.num_rows + 1 + max(closed, default=0) + behind_word

    @property
    def blocked(self) -> Sequence[Set[int]]:
        """As `BeamSearch`, but none: what a phrase wants may repeat an n-gram."""
        return ()

    @property
    def needed(self) -> Sequence[Sequence[int]]:
        """As `BeamSearch`: for each row the tokens that begin a phrase or go on with it; the end if it may be all that
        can come.
        """
        return [
            [self.end_id]
            if progress.is_whole and self._phrases.are_met(progress)
            else self._phrases.next_tokens(progress)
            for progress in self._progress
        ]

    def advance(self, candidates: Sequence[Iterable[Candidate]]) -> tuple[list[int], list[int]]:
        """As `BeamSearch`."""
        banks: dict[int, list[_Option]] = defaultdict(list)
        for row, options in enumerate(candidates):
            for option in self._options(row, options):
                banks[0 if option.progress is None else self._phrases.missing(option.progress)].append(option)
        for bank in banks.values():
            bank.sort(key=lambda option: -option.log_probability)
        running: list[Running] = []
        progress: list[Progress] = []
        for rank, option in _in_turns([banks[missing] for missing in sorted(banks)]):
            if len(running) == self.parameters.num_rows:
                break
            before = self.running[option.row]
            if option.progress is None:
                if rank < self.parameters.beam_size:
                    self._finish(before, option.row, option.log_probability, "stop")
                continue
            node = before.after(option.row, option.identifier, option.log_probability)
            may_loop = option.is_wanted or not self.parameters.max_repeats
            if not may_loop and (start := self._start_of_loop(node)):
                if self._holds_all(start.ids):
                    self._finish(start, option.row, start.log_probability, "loop")
            elif node.length == self._longest:
                self._finish(node, option.row, option.log_probability, "length")
            else:
                running.append(node)
                progress.append(option.progress)
        parents, ids = self._go_on(running)
        self._progress = progress if parents else []
        return parents, ids

    def _options(self, row: int, candidates: Iterable[Candidate]) -> Iterator[_Option]:
        """What the hypothesis of a row may go on with."""
        hypothesis, before, phrases = self.running[row], self._progress[row], self._phrases
        repeating, left = self._repeating[row], self._longest - hypothesis.length - 1
        for identifier, log_probability in dict(candidates).items():
            total = hypothesis.log_probability + log_probability
            if not log_probability > IMPOSSIBLE or not self._characters.may_come(hypothesis.unfinished, identifier):
                continue
            if identifier == self.end_id:
                if phrases.are_met(before):
                    yield _Option(total, row, identifier, None)
                continue
            after = phrases.read(before, identifier)
            if after is None or self._room(after, self._characters.after(hypothesis.unfinished, identifier)) > left:
                continue
            is_wanted = phrases.brings_nearer(before, after)
            if is_wanted or identifier not in repeating:
                yield _Option(total, row, identifier, after, is_wanted)

    def _room(self, progress: Progress, unfinished: Unfinished | None) -> int:
        """As of `RequiredPhrases`, if a character is to be finished first; that of a phrase is among its tokens."""
        room = self._phrases.room(progress)
        return room + unfinished.missing if room and unfinished is not None and not progress.pending else room

    def _holds_all(self, ids: Sequence[int]) -> bool:
        progress: Progress | None = self._phrases.start
        for identifier in ids:
            progress = None if progress is None else self._phrases.read(progress, identifier)
        return progress is not None and self._phrases.are_met(progress)


def _in_turns(banks: Sequence[Sequence[_Option]]) -> Iterator[tuple[int, _Option]]:
    """The options of all banks with their ranks in their own: the best of each, then the second of each, and so on."""
    for rank in range(max(map(len, banks), default=0)):
        for bank in banks:
            if rank < len(bank):
                yield rank, bank[rank]

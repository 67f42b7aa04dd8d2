"""Search for one sequence with a single hypothesis: each step writes the likeliest token.

Finds what `BeamSearch` finds with a beam of one, without its objects for each token, into which most of the time beside
the model would go in a full lane. Knows no attention.
"""

import math
from array import array
from collections.abc import Iterable, Sequence, Set

from .beam import IMPOSSIBLE, score_of
from .characters import ANY_CHARACTERS, Characters, Unfinished
from .loops import LONGEST_NGRAM, SHORTEST_LOOP, looping_ngram, num_copies, repeating
from .parameters import BeamParameters, Hypothesis
from .sampling import Candidate


class GreedySearch:
    """The only hypothesis of one sequence. It has one row.

    Attributes:
        done: whether nothing is running any more.
        finished: the hypothesis, once it is done; none if there was no possible token.
        needed, num_candidates, num_rows: as of `BeamSearch`.
        avoid: name of the set of tokens that must not come next.
        blocks: whether tokens may be `blocked`.
    """

    __slots__ = (
        "_between",
        "_characters",
        "_ids",
        "_log_probabilities",
        "_max_repeats",
        "_max_tokens",
        "_unfinished",
        "avoid",
        "blocks",
        "done",
        "end_id",
        "finished",
        "parameters",
    )

    needed: Sequence[Sequence[int]] = ()
    num_candidates = 1
    num_rows = 1

    def __init__(self, parameters: BeamParameters, end_id: int, characters: Characters = ANY_CHARACTERS) -> None:
        self.parameters = parameters
        self.end_id = end_id
        self.avoid = characters.between(parameters.avoid)
        self.blocks = parameters.no_repeat_ngram > 0
        self.done = False
        self.finished: list[Hypothesis] = []
        self._characters = characters
        self._between = self.avoid
        self._unfinished: Unfinished | None = None
        self._max_tokens = parameters.max_tokens
        self._max_repeats = parameters.max_repeats
        self._ids: list[int] = []
        self._log_probabilities = array("d", [0.0])  # of the whole before the first token, and after each

    @staticmethod
    def suits(parameters: BeamParameters, num_attended: int) -> bool:
        """Whether all that is wanted is the likeliest token each time."""
        more = parameters.required or parameters.coverage_penalty or num_attended
        return parameters.beam_size == 1 and not more

    @property
    def blocked(self) -> Sequence[Set[int]]:
        """As of `BeamSearch`."""
        if not self.blocks or self._unfinished is not None:
            return ()
        return [repeating(self._ids, self.parameters.no_repeat_ngram)]

    @property
    def avoids(self) -> Sequence[str]:
        """As of `BeamSearch`."""
        return (self.avoid,)

    def write(self, identifier: int, log_probability: float) -> bool:
        """Write the likeliest token; whether the search is done with it."""
        if not log_probability > IMPOSSIBLE:
            self.done = True
            return True
        ids, total = self._ids, self._log_probabilities[-1] + log_probability
        if identifier == self.end_id:
            return self._finish(len(ids), total, "stop")
        may_loop = self._max_repeats and len(ids) >= SHORTEST_LOOP - 1 and identifier in ids[-LONGEST_NGRAM:]
        ids.append(identifier)
        self._log_probabilities.append(total)
        if may_loop and (n := looping_ngram(ids, self._max_repeats)):
            length = len(ids) - n * (num_copies(ids, n) - 1)  # with one copy
            return self._finish(length, self._log_probabilities[length], "loop")
        if len(ids) == self._max_tokens:
            return self._finish(len(ids), total, "length")
        unfinished = self._characters.after(self._unfinished, identifier)
        if unfinished is not self._unfinished:
            self._unfinished = unfinished
            self.avoid = self._between if unfinished is None else unfinished.avoid
        return False

    def _finish(self, length: int, log_probability: float, reason: str) -> bool:
        self.done = True
        score = score_of(log_probability, length + (reason == "stop"), self.parameters)
        ids = tuple(self._characters.whole(self._ids[:length]))
        self.finished = [Hypothesis(ids, score, log_probability, reason)]
        return True

    def advance(self, candidates: Sequence[Iterable[Candidate]]) -> tuple[list[int], list[int]]:
        """As `BeamSearch`; for lanes in which others need more than the likeliest token."""
        identifier, log_probability = next(iter(candidates[0]), (self.end_id, -math.inf))
        return ([], []) if self.write(identifier, log_probability) else ([0], [identifier])

    def best(self) -> list[Hypothesis]:
        """As `BeamSearch`."""
        return self.finished

"""Beam search for one sequence, as a state machine that is handed candidates step by step."""

import math
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from operator import itemgetter

from torch import Tensor

from .characters import ANY_CHARACTERS, Characters, Unfinished
from .loops import LONGEST_NGRAM, NO_TOKENS, SHORTEST_LOOP, looping_ngram, num_copies, repeating
from .parameters import BeamParameters, Hypothesis
from .sampling import Candidate

IMPOSSIBLE = -1e9
"""Log-probabilities from here down are of forbidden tokens."""

_total = itemgetter(0)


def score_of(log_probability: float, length: int, parameters: BeamParameters) -> float:
    """Of a target of so many tokens, the end symbol counted, without what its coverage costs."""
    score: float = log_probability / ((5 + length) / 6) ** parameters.length_penalty
    return score


@dataclass(slots=True)
class Running:
    """A hypothesis that runs on: its last token, and the hypothesis that it extends.

    Attributes:
        identifier: the last token; the first hypothesis, which is empty, has none.
        length: tokens written.
        row: of the step that the last token was written in.
        unfinished: the character that the last token is in the middle of; known while the hypothesis runs.
    """

    identifier: int
    log_probability: float
    length: int
    row: int
    before: "Running | None"
    unfinished: Unfinished | None = None

    @property
    def path(self) -> "list[Running]":
        """The hypothesis after each of its tokens."""
        path, node = [], self
        while node.before is not None:
            path.append(node)
            node = node.before
        path.reverse()
        return path

    @property
    def ids(self) -> tuple[int, ...]:
        """All tokens."""
        return tuple(node.identifier for node in self.path)

    def came_before(self, most: int) -> bool:
        """Whether the last token is one of the `most` before it, too."""
        node = self.before
        for _ in range(most):
            if node is None:
                return False
            if node.identifier == self.identifier:
                return True
            node = node.before
        return False

    def after(self, row: int, identifier: int, log_probability: float) -> "Running":
        """With one more token, written in `row`; `log_probability` is that of the whole."""
        return Running(identifier, log_probability, self.length + 1, row, self)


class BeamSearch:
    """The running and finished hypotheses of one sequence. Its rows are its running hypotheses.

    Args:
        num_attended: ids of the source, over which the best hypotheses are to have their attention; 0: not wanted.
        characters: which are always written whole.

    Attributes:
        avoid: name of the set of tokens that must not come next between two characters.
        observes: whether `observe` is to be called before `advance`.
    """

    def __init__(
        self,
        parameters: BeamParameters,
        end_id: int,
        num_attended: int = 0,
        characters: Characters = ANY_CHARACTERS,
    ) -> None:
        self.parameters = parameters
        self.end_id = end_id
        self.avoid = characters.between(parameters.avoid)
        self._characters = characters
        self.running = [Running(-1, 0.0, 0, 0, None)]
        self._repeating: list[Set[int]] = [NO_TOKENS]  # of each running hypothesis what would repeat an n-gram
        self.finished: list[Hypothesis] = []
        self.observes = bool(num_attended or parameters.coverage_penalty)
        self._num_attended = num_attended
        self._rows: list[list[int]] = []  # of each finished hypothesis, those of the steps that wrote it
        self._steps: list[Tensor] = []  # (rows, source) each, if attention is wanted
        self._spent: Tensor | None = None  # (rows, source), the attention spent so far, for the coverage penalty

    @property
    def num_rows(self) -> int:
        """Running hypotheses."""
        return len(self.running)

    @property
    def num_candidates(self) -> int:
        """How many of the likeliest next tokens of each row `advance` needs, without those that are `blocked`."""
        return 2 * self.parameters.beam_size if self.parameters.beam_size > 1 else 1

    @property
    def blocked(self) -> Sequence[Set[int]]:
        """For each row the tokens that may not come next; none at all for most searches."""
        return self._repeating if self.parameters.no_repeat_ngram else ()

    @property
    def avoids(self) -> Sequence[str]:
        """For each row the name of the set of tokens that must not come next."""
        return [self.avoid if node.unfinished is None else node.unfinished.avoid for node in self.running]

    @property
    def needed(self) -> Sequence[Sequence[int]]:
        """For each row the tokens that `advance` needs besides the likeliest; none at all for most searches."""
        return ()

    @property
    def done(self) -> bool:
        """Whether nothing is running any more."""
        return not self.running

    def observe(self, attention: Tensor) -> None:
        """Take note of the attention (rows, source) of the step that was just made.

        A batch is as wide as its longest source, and so may change its width; beyond this search's own source there
        is no attention, so the narrower width holds all of it.
        """
        if self._num_attended:
            self._steps.append(attention[:, : self._num_attended].clone())
        if not self.parameters.coverage_penalty:
            return
        if self._spent is None:
            self._spent = attention
        else:
            width = min(self._spent.shape[1], attention.shape[1])
            self._spent = self._spent[:, :width] + attention[:, :width]

    def _score(self, row: int, log_probability: float, length: int) -> float:
        score = score_of(log_probability, length, self.parameters)
        if self._spent is not None:
            spent = self._spent[row]
            covered = spent[spent > 0].clamp(max=1.0).log().sum()
            score += self.parameters.coverage_penalty * float(covered)
        return score

    def advance(self, candidates: Sequence[Iterable[Candidate]]) -> tuple[list[int], list[int]]:
        """Extend the hypotheses.

        Args:
            candidates: for each row its `num_candidates` likeliest next tokens with their log-probabilities, best
                first and none that is `blocked`; then those that it needs besides.

        Returns:
            for each hypothesis that runs on, the row that it extends and its new token.
        """
        if self.parameters.beam_size == 1:
            return self._advance_greedily(candidates[0])
        size = self.parameters.beam_size
        running: list[Running] = []
        for rank, (log_probability, row, identifier) in enumerate(self._extensions(candidates, 2 * size)):
            before = self.running[row]
            if identifier == self.end_id:
                if rank < size:
                    self._finish(before, row, log_probability, "stop")
            elif len(running) < size:
                self._extend(running, before.after(row, identifier, log_probability), may_end=rank < size)
        return self._go_on(running)

    def _extensions(self, candidates: Sequence[Iterable[Candidate]], most: int) -> list[tuple[float, int, int]]:
        """The best by their log-probabilities, with the rows that they extend and their tokens."""
        extensions: list[tuple[float, int, int]] = []
        least = -math.inf
        for row, (before, options) in enumerate(zip(self.running, candidates, strict=True)):
            for identifier, log_probability in options:
                total = before.log_probability + log_probability
                if total < least:  # there are enough that are better, and what comes after it is no better
                    break
                if log_probability > IMPOSSIBLE:
                    extensions.append((total, row, identifier))
            if row == 0 and len(extensions) >= most:
                least = extensions[most - 1][0]
        extensions.sort(key=_total, reverse=True)
        return extensions[:most]

    def _advance_greedily(self, candidates: Iterable[Candidate]) -> tuple[list[int], list[int]]:
        """The same for a single hypothesis, whose likeliest token decides alone."""
        (before,) = self.running
        identifier, log_probability = next(iter(candidates), (self.end_id, -math.inf))
        total = before.log_probability + log_probability
        running: list[Running] = []
        if identifier == self.end_id and log_probability > IMPOSSIBLE:
            self._finish(before, 0, total, "stop")
        elif log_probability > IMPOSSIBLE:
            self._extend(running, before.after(0, identifier, total), may_end=True)
        self._run_on(running)
        return ([0], [identifier]) if running else ([], [])

    def _extend(self, running: list[Running], node: Running, *, may_end: bool) -> None:
        """Let a hypothesis run on, unless it is at its end."""
        if self.parameters.max_repeats and (start := self._start_of_loop(node)):
            self._finish(start, node.row, start.log_probability, "loop")
        elif node.length < self.parameters.max_tokens:
            running.append(node)
        elif may_end:
            self._finish(node, node.row, node.log_probability, "length")

    def _go_on(self, running: list[Running]) -> tuple[list[int], list[int]]:
        """Make these the running hypotheses, unless they can't get better than the finished ones."""
        if running and self._nothing_better(running):
            running = []
        self._run_on(running)
        parents = [node.row for node in running]
        if self._spent is not None and parents:
            self._spent = self._spent[parents]
        return parents, [node.identifier for node in running]

    def _run_on(self, running: list[Running]) -> None:
        self.running = running
        for node in running:
            assert node.before is not None
            node.unfinished = self._characters.after(node.before.unfinished, node.identifier)
        n = self.parameters.no_repeat_ngram
        self._repeating = [repeating(node.ids, n) if n and node.unfinished is None else NO_TOKENS for node in running]

    def _start_of_loop(self, node: Running) -> Running | None:
        """If a hypothesis repeats itself too often: it, cut back to the first copy."""
        most = self.parameters.max_repeats
        if node.length < SHORTEST_LOOP or not node.came_before(LONGEST_NGRAM):
            return None
        ids = node.ids
        n = looping_ngram(ids, most)
        start = node
        for _ in range(n * (num_copies(ids, n) - 1) if n else 0):
            assert start.before is not None
            start = start.before
        return start if n else None

    def _finish(self, node: Running, row: int, log_probability: float, reason: str) -> None:
        """Keep a finished hypothesis, whose last step, if it was not cut back, was written in `row`."""
        length = node.length + 1 if reason == "stop" else node.length
        score = self._score(row, log_probability, length)
        ids = tuple(self._characters.whole(node.ids))
        self.finished.append(Hypothesis(ids, score, log_probability, reason))
        self._rows.append([*(one.row for one in node.path), row] if self._num_attended else [])

    def _nothing_better(self, running: Sequence[Running]) -> bool:
        """Whether a full beam has finished and the best running one scores below the worst wanted one."""
        if len(self.finished) < self.parameters.beam_size:
            return False
        scores = sorted((h.score for h in self.finished if h.finish_reason != "loop"), reverse=True)
        if len(scores) < self.parameters.beam_size:
            return False
        best = max(node.log_probability for node in running)
        return scores[self.parameters.num_best - 1] >= score_of(best, running[0].length + 1, self.parameters)

    def best(self) -> list[Hypothesis]:
        """The `num_best` finished hypotheses, best first, those that repeated themselves last."""

        def rank(number: int) -> tuple[bool, float]:
            return self.finished[number].finish_reason == "loop", -self.finished[number].score

        best = sorted(range(len(self.finished)), key=rank)[: self.parameters.num_best]
        return [self._with_attention(number) for number in best]

    def _with_attention(self, number: int) -> Hypothesis:
        hypothesis = self.finished[number]
        if not self._num_attended:
            return hypothesis
        num_steps = len(hypothesis.ids) + (hypothesis.finish_reason == "stop")
        rows = self._rows[number][:num_steps]
        weights = [tuple(step[row].tolist()) for step, row in zip(self._steps, rows, strict=False)]
        return replace(hypothesis, attention=tuple(weights))

"""Requests that are worked on a part at a time, each by itself, so that they hold up nobody."""

from collections.abc import Sequence
from typing import Protocol

import torch

from rondo_models.decoding.channel import log_likelihoods, reranked
from rondo_models.decoding.parameters import Hypothesis, TokenScore
from rondo_models.decoding.prompts import nothing_read
from rondo_models.decoding.scores import paired
from rondo_models.executor import Executor
from rondo_models.model import RondoModel
from rondo_models.running import RunningClassifier

from .requests import Channel, Likelihood, Likelihoods, Result, Score, Scored, Search, Ticket

_SCORED_AT_ONCE = 128
"""Tokens of whose places whole tables of scores are made, some 30 KB each."""


_SCORE_AT_ONCE = 128
"""Tokens of a growing text that are read at a time. By plain PyTorch, whose sums depend on how many those are; so they
must not depend on what else there is to do."""

_EXPLAINED_AT_ONCE = 256
"""Tokens of the source that hypotheses are asked for together, some 40 ms; for the same reason always as many."""


class Piecewise(Protocol):
    """A request that has been begun."""

    @property
    def ticket(self) -> Ticket:
        """The request."""

    def go_on(self, num_tokens: int) -> Result | None:
        """Do as much as takes about as long as reading so many tokens; the result once it is there."""


class ScoreReader:
    """Reads more of a growing text and classifies it."""

    def __init__(self, ticket: Ticket, work: Score, model: RondoModel) -> None:
        self._ticket = ticket
        self._work = work
        self._running = RunningClassifier(model, work.head)
        self._kept = self._running.nothing_read() if work.state is None else self._running.from_bytes(work.state)
        self._whole = self._kept
        self._position = 0

    @property
    def ticket(self) -> Ticket:
        """As `Piecewise`."""
        return self._ticket

    def go_on(self, num_tokens: int) -> Scored | None:
        """As `Piecewise`."""
        ids, num_kept = self._work.ids, self._work.num_kept
        stop = min(self._position + num_tokens, len(ids))
        while self._position < stop:  # the last piece may go beyond
            end = min(self._position + _SCORE_AT_ONCE, num_kept if self._position < num_kept else len(ids))
            self._whole = self._running.read(self._whole, ids[self._position : end])
            self._position = end
            if end == num_kept:
                self._kept = self._whole
        return (
            Scored(self._running.probabilities(self._whole), self._kept.to_bytes())
            if self._position == len(ids)
            else None
        )


class LikelihoodReader:
    """Reads a text with a language model and scores each token by what was known before it."""

    def __init__(self, ticket: Ticket, work: Likelihood, model: RondoModel, executor: Executor) -> None:
        self._ticket = ticket
        self._work = work
        self._executor = executor
        self._state = nothing_read(model, work.head, 1)
        self._scores: list[TokenScore] = []

    @property
    def ticket(self) -> Ticket:
        """As `Piecewise`."""
        return self._ticket

    def go_on(self, num_tokens: int) -> Likelihoods | None:
        """As `Piecewise`."""
        begin = len(self._scores)
        end = min(begin + num_tokens, len(self._work.ids) - 1)
        for position in range(begin, end, _SCORED_AT_ONCE):
            self._read(position, min(position + _SCORED_AT_ONCE, end))
        return Likelihoods(tuple(self._scores)) if end == len(self._work.ids) - 1 else None

    def _read(self, begin: int, end: int) -> None:
        """Read the ids from `begin` to `end`, and score each that comes after one of them."""
        ids, head = self._work.ids, self._work.head
        hidden, self._state = self._executor.read_whole(head, torch.tensor([ids[begin:end]]), self._state)
        scores = self._executor.scores(head, hidden)
        rows = range(end - begin)
        own = scores.of(rows, [[identifier] for identifier in ids[begin + 1 : end + 1]])
        wanted = min(self._work.num_likeliest, scores.num_tokens)
        likeliest = paired(*scores.likeliest(wanted)) if wanted else [[]] * len(rows)
        for (score,), others in zip(own, likeliest, strict=True):
            self._scores.append(TokenScore(*score, tuple(others)))


class Reranker:
    """Asks a few hypotheses at a time how well they explain their source, and puts them in order."""

    def __init__(
        self,
        ticket: Ticket,
        work: Search,
        channel: Channel,
        hypotheses: Sequence[Hypothesis],
        model: RondoModel,
        end_id: int,
    ) -> None:
        self._ticket = ticket
        self._work = work
        self._channel = channel
        self._hypotheses = hypotheses
        self._model = model
        self._end_id = end_id
        self._back: list[float] = []

    @property
    def ticket(self) -> Ticket:
        """The request."""
        return self._ticket

    def go_on(self) -> list[Hypothesis] | None:
        """Ask the next few; all of them in their order once that is known."""
        source, begin = self._work.ids, len(self._back)
        some = self._hypotheses[begin : begin + max(1, _EXPLAINED_AT_ONCE // len(source))]
        written = [(*hypothesis.ids, self._end_id) for hypothesis in some]
        self._back += log_likelihoods(
            self._model, self._work.head, written, [source] * len(some), self._channel.first_id
        )
        if len(self._back) < len(self._hypotheses):
            return None
        return reranked(self._hypotheses, self._back, len(source), self._channel.weight)

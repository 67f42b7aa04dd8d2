"""The running requests of one head: rows that are stepped together. Knows no policy."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, cast

import torch

from rondo_models.decoding.beam import BeamSearch
from rondo_models.decoding.lanes import RowsState, Stepped
from rondo_models.decoding.parameters import TokenScore
from rondo_models.decoding.prompts import PromptState
from rondo_models.decoding.sampling import Sampler
from rondo_models.decoding.search import advance_beams, advance_samplers

from ..errors import EngineFailed
from .requests import Generate, Generated, Result, Ticket

Answer = Callable[[Ticket, Result], None]
Wrote = Callable[[Ticket, int, TokenScore | None], None]


@dataclass(slots=True)
class RunningLane:
    """The running requests of one head with their searches, whose rows stand one after another."""

    head: str
    tickets: list[Ticket] = field(default_factory=list)
    searches: list[BeamSearch] | list[Sampler] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    state: RowsState | None = None

    @property
    def has_listeners(self) -> bool:
        """Whether somebody takes tokens as they are written, which searches don't hand out."""
        if not self.searches or isinstance(self.searches[0], BeamSearch):
            return False
        return any(ticket.on_token is not None for ticket in self.tickets)

    def join(self, tickets: Sequence[Ticket], searches: Sequence[Any], ids: Sequence[int], state: RowsState) -> None:
        """Put newly begun requests behind the running ones."""
        joined = state if self.state is None else self.state.joined(state)  # may raise, so it comes first
        self.tickets.extend(tickets)
        self.searches.extend(searches)
        self.ids.extend(ids)
        self.state = joined

    def keep(self, kept: Sequence[bool]) -> None:
        """Forget the requests that are not to be kept; their rows are the caller's to free."""
        self.tickets = list(compress(self.tickets, kept))
        self.searches = cast("list[BeamSearch] | list[Sampler]", list(compress(self.searches, kept)))

    def take(self, chosen: Sequence[bool]) -> "RunningLane":
        """Move the chosen requests with their rows into a lane of their own."""
        rows: tuple[list[int], list[int]] = ([], [])
        begin = 0
        searches = cast("list[BeamSearch | Sampler]", self.searches)
        for is_chosen, search in zip(chosen, searches, strict=True):
            rows[is_chosen].extend(range(begin, begin + search.num_rows))
            begin += search.num_rows
        assert self.state is not None
        left, moved = (self.state.select(torch.tensor(own)) if own else None for own in rows)
        ids = self.ids
        taken = RunningLane(
            self.head,
            list(compress(self.tickets, chosen)),
            cast("list[BeamSearch] | list[Sampler]", list(compress(searches, chosen))),
            [ids[row] for row in rows[True]],
            moved,
        )
        self.ids, self.state = [ids[row] for row in rows[False]], left
        self.keep([not is_chosen for is_chosen in chosen])
        return taken

    def advance(self, stepped: Stepped, answer: Answer, wrote: Wrote) -> None:
        """Take one more token of every request, answer those that are done, free their rows."""
        if isinstance(self.searches[0], Sampler):
            parents, self.ids = self._advance_samplers(stepped, answer, wrote)
        else:
            parents, self.ids = self._advance_beams(stepped, answer)
        self.state = _after(stepped.state, parents)

    def _advance_beams(self, stepped: Stepped, answer: Answer) -> tuple[list[int], list[int]]:
        searches = cast("list[BeamSearch]", self.searches)
        parents, ids = advance_beams(stepped, searches)
        running = [not search.done for search in searches]
        if all(running):
            return parents, ids
        for ticket, search, runs in zip(self.tickets, searches, running, strict=True):
            if runs:
                continue
            if search.finished:
                answer(ticket, search.best())
            elif search.parameters.required:
                answer(ticket, [])
            else:
                ticket.fail(EngineFailed("the model gave no finite score"))
        self.keep(running)
        return parents, ids

    def _advance_samplers(self, stepped: Stepped, answer: Answer, wrote: Wrote) -> tuple[list[int], list[int]]:
        samplers = cast("list[Sampler]", self.searches)
        parents, ids = advance_samplers(stepped, samplers)
        for ticket, sampler in zip(self.tickets, samplers, strict=True):
            if ticket.on_token is not None and sampler.finish_reason != "stop":
                wrote(ticket, sampler.ids[-1], sampler.scores[-1] if sampler.scores else None)
        if len(parents) == len(samplers):
            return parents, ids
        running = [sampler.finish_reason is None for sampler in samplers]
        for row, (ticket, sampler, runs) in enumerate(zip(self.tickets, samplers, running, strict=True)):
            if not runs:
                answer(ticket, _generated(ticket, sampler, stepped.state, row))
        self.keep(running)
        return parents, ids


def batch_rows(lanes: Iterable[RunningLane]) -> Iterator[tuple[int, int]]:
    """Numbers of the batch requests and the rows that each has now."""
    for lane in lanes:
        searches = cast("list[BeamSearch | Sampler]", lane.searches)
        for ticket, search in zip(lane.tickets, searches, strict=True):
            if ticket.priority == "batch":
                yield ticket.number, search.num_rows


def _generated(ticket: Ticket, sampler: Sampler, state: RowsState, row: int) -> Generated:
    """The answer; with the state if that was asked for."""
    assert sampler.finish_reason is not None
    kept = None
    if cast("Generate", ticket.work).return_state:
        index = torch.tensor([row])
        top = None if state.top is None else state.top.select(index)
        kept = PromptState(state.lower.select(index), top, torch.empty(0)).to_bytes()
    scores = None if sampler.scores is None else tuple(sampler.scores)
    return Generated(tuple(sampler.ids), sampler.finish_reason, sampler.log_probability, kept, scores)


def _after(state: RowsState, parents: list[int]) -> RowsState | None:
    if not parents:
        return None
    if parents == list(range(state.num_rows)):
        return state
    return state.select(torch.tensor(parents))

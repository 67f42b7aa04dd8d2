"""The running requests of one head: rows that are stepped together. Knows no policy."""

from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from typing import Any, cast

import torch
from torch import Tensor

from rondo_models.decoding.columns import SamplerColumns
from rondo_models.decoding.lanes import RowsState, Stepped
from rondo_models.decoding.parameters import TokenScore
from rondo_models.decoding.prompts import PromptState
from rondo_models.decoding.sampling import Sampler
from rondo_models.decoding.search import Advanced, Search, advance_samplers, advance_searches
from rondo_models.state import numbers_tensor

from ..errors import EngineFailed
from .requests import Generate, Generated, Result, Ticket

Answer = Callable[[Ticket, Result], None]
Wrote = Callable[[Ticket, int, TokenScore | None], None]


_MANY = 16
"""Samplers that take less time side by side than one after another."""


class RunningLane:
    """The running requests of one head with their searches, whose rows stand one after another.

    Attributes:
        tickets, searches: one a request; what samplers have written lately may only come with `settle`.
        ids: (rows,), the last token of each row, which the next step reads.
        state: of the rows; None if there are none.
        num_batch: how many are batch requests.
    """

    def __init__(self, head: str) -> None:
        self.head = head
        self.tickets: list[Ticket] = []
        self.searches: list[Search] | list[Sampler] = []
        self.ids: Tensor = numbers_tensor([])
        self.state: RowsState | None = None
        self.num_batch = 0
        self._num_listening = 0
        self._num_apart = 0  # samplers that columns don't suit
        self._columns: SamplerColumns | None = None

    @property
    def num_rows(self) -> int:
        """Sequences, hypotheses counted."""
        return len(self.ids)

    @property
    def has_listeners(self) -> bool:
        """Whether somebody takes tokens as they are written, which searches don't hand out."""
        return self._num_listening > 0 and isinstance(self.searches[0], Sampler)

    @property
    def num_batch_rows(self) -> int:
        """Those of batch requests."""
        return self.num_rows if self.num_batch == len(self.tickets) else sum(rows for _, rows in self.batch_rows())

    def batch_rows(self) -> Iterator[tuple[int, int]]:
        """Numbers of the batch requests and the rows that each has now."""
        if self.num_batch:
            searches = cast("list[Search | Sampler]", self.searches)
            for ticket, search in zip(self.tickets, searches, strict=True):
                if ticket.priority == "batch":
                    yield ticket.number, search.num_rows

    def join(self, tickets: Sequence[Ticket], searches: Sequence[Any], ids: Tensor, state: RowsState) -> None:
        """Put newly begun requests behind the running ones."""
        if self.state is None:
            self.ids, self.state = ids, state
        else:
            joined = self.state.joined(state)  # may raise, so it comes first
            self.ids, self.state = torch.cat([self.ids, ids]), joined
        self._add(tickets, searches)

    def absorb(self, other: "RunningLane") -> None:
        """Put the requests of another lane of the head behind one's own; it is of no use any more."""
        assert other.state is not None
        other.settle()
        self.join(other.tickets, other.searches, other.ids, other.state)

    def settle(self) -> None:
        """Let all searches know what they have written."""
        if self._columns is not None:
            self._columns.settle()
            self._columns = None

    def _add(self, tickets: Sequence[Ticket], searches: Sequence[Any]) -> None:
        self.tickets.extend(tickets)
        self.searches.extend(searches)
        for ticket, search in zip(tickets, searches, strict=True):
            self._count(ticket, search, 1)
        if self._columns is not None:
            if self._num_apart:
                self.settle()
            else:
                self._columns.add(searches)

    def _remove(self, places: Sequence[int]) -> None:
        """Forget the requests at some places, in their order; their rows are the caller's to free."""
        for place in reversed(places):  # which looks at no other request, of which there may be many
            self._count(self.tickets.pop(place), self.searches.pop(place), -1)

    def _count(self, ticket: Ticket, search: Search | Sampler, change: int) -> None:
        if ticket.priority == "batch":
            self.num_batch += change
        if ticket.on_token is not None:
            self._num_listening += change
        if isinstance(search, Sampler) and not SamplerColumns.suits(search):
            self._num_apart += change

    def take(self, chosen: Sequence[bool]) -> "RunningLane":
        """Move the chosen requests with their rows into a lane of their own."""
        self.settle()
        rows: tuple[list[int], list[int]] = ([], [])
        begin = 0
        searches = cast("list[Search | Sampler]", self.searches)
        for is_chosen, search in zip(chosen, searches, strict=True):
            rows[is_chosen].extend(range(begin, begin + search.num_rows))
            begin += search.num_rows
        assert self.state is not None
        left, moved = map(numbers_tensor, rows)
        taken = RunningLane(self.head)
        taken.ids, taken.state = self.ids[moved], _selected(self.state, moved)
        self.ids, self.state = self.ids[left], _selected(self.state, left)
        taken._add(list(compress(self.tickets, chosen)), list(compress(searches, chosen)))
        self._remove([place for place, is_chosen in enumerate(chosen) if is_chosen])
        return taken

    def advance(self, stepped: Stepped, answer: Answer, wrote: Wrote) -> None:
        """Take one more token of every request, answer those that are done, free their rows."""
        if isinstance(self.searches[0], Sampler):
            advanced = self._advance_samplers(stepped, self.searches)
            if self._num_listening:
                self._tell(advanced, wrote)
        else:
            advanced = advance_searches(stepped, self.searches)
        for place in advanced.ended:
            self._end(place, stepped.state, answer)
        self._remove(advanced.ended)
        self.ids = advanced.ids
        self.state = stepped.state if advanced.parents is None else _selected(stepped.state, advanced.parents)

    def _advance_samplers(self, stepped: Stepped, samplers: Sequence[Sampler]) -> Advanced:
        if self._num_apart or len(samplers) < _MANY:
            self.settle()
            return advance_samplers(stepped, samplers)
        if self._columns is None:
            self._columns = SamplerColumns(samplers)
        return self._columns.advance(stepped)

    def _tell(self, advanced: Advanced, wrote: Wrote) -> None:
        """Hand the new tokens to those who listen."""
        samplers = cast("list[Sampler]", self.searches)
        assert advanced.written is not None
        stopped = {place for place in advanced.ended if samplers[place].finish_reason == "stop"}
        for place, (ticket, identifier) in enumerate(zip(self.tickets, advanced.written.tolist(), strict=True)):
            if ticket.on_token is not None and place not in stopped:
                scores = samplers[place].scores if self._num_apart else None
                wrote(ticket, identifier, scores[-1] if scores else None)

    def _end(self, place: int, state: RowsState, answer: Answer) -> None:
        """Answer a request that is done; `state` is of the rows of the last step."""
        ticket, search = self.tickets[place], self.searches[place]
        if isinstance(search, Sampler):
            answer(ticket, _generated(ticket, search, state, place))  # each has one row
        elif search.finished or search.parameters.required:
            answer(ticket, search.best())
        else:
            ticket.fail(EngineFailed("the model gave no finite score"))


def _selected(state: RowsState, rows: Tensor) -> RowsState | None:
    """Rows (n,) in that order; None if there are none."""
    return state.select(rows) if len(rows) else None


def _generated(ticket: Ticket, sampler: Sampler, state: RowsState, row: int) -> Generated:
    """The answer; with the state if that was asked for."""
    assert sampler.finish_reason is not None
    kept = None
    if cast("Generate", ticket.work).return_state:
        index = numbers_tensor([row])
        top = None if state.top is None else state.top.select(index)
        kept = PromptState(state.lower.select(index), top, torch.empty(0)).to_bytes()
    scores = None if sampler.scores is None else tuple(sampler.scores)
    return Generated(sampler.ids, sampler.finish_reason, kept, scores)

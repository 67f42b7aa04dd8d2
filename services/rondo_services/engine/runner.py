"""Runs what the scheduler chose: encodes groups, keeps the running sequences, makes decoding steps.

Holds the model and no policy. A request that breaks is failed alone: a group that raises is run again one by one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any, cast

import torch
from torch import Tensor

from rondo_models.backbone import Encoded
from rondo_models.config import Precision
from rondo_models.decoding.beam import BeamSearch
from rondo_models.decoding.lanes import Lane, LaneState, Stepped, start_language_model, start_seq2seq, step
from rondo_models.decoding.sampling import Sampler
from rondo_models.decoding.search import advance_beams, advance_samplers, forbid
from rondo_models.model import RondoModel
from rondo_models.precision import reading_in
from rondo_models.state import RecurrentState
from rondo_models.training.sequences import padded

from ..errors import EngineFailed
from .requests import Classify, Generate, Generated, Result, Search, Ticket

Answer = Callable[[Ticket, Result], None]


@dataclass(slots=True)
class _Lane:
    """The running requests of one head with their searches, whose rows stand one after another."""

    head: str
    tickets: list[Ticket] = field(default_factory=list)
    searches: list[BeamSearch] | list[Sampler] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    state: LaneState | None = None

    @property
    def rows_per_ticket(self) -> list[int]:
        return [search.num_rows for search in self.searches]

    def join(self, tickets: Sequence[Ticket], searches: Sequence[Any], ids: Sequence[int], state: LaneState) -> None:
        """Put newly begun requests behind the running ones."""
        joined = state if self.state is None else LaneState.concat(self.state, state)  # may raise, so it comes first
        self.tickets.extend(tickets)
        self.searches.extend(searches)
        self.ids.extend(ids)
        self.state = joined

    def keep(self, kept: Sequence[bool]) -> None:
        """Forget the requests that are not to be kept; their rows are the caller's to free."""
        self.tickets = list(compress(self.tickets, kept))
        self.searches = cast("list[BeamSearch] | list[Sampler]", list(compress(self.searches, kept)))

    def advance(self, stepped: Stepped, answer: Answer) -> None:
        """Take one more token of every request, answer those that are done, free their rows."""
        if stepped.attention is None:
            parents, self.ids = self._advance_samplers(stepped, answer)
        else:
            parents, self.ids = self._advance_beams(stepped, answer)
        self.state = _after(stepped.state, parents)

    def _advance_beams(self, stepped: Stepped, answer: Answer) -> tuple[list[int], list[int]]:
        searches = cast("list[BeamSearch]", self.searches)
        parents, ids = advance_beams(stepped, searches)
        for ticket, search in zip(self.tickets, searches, strict=True):
            if search.done and search.finished:
                answer(ticket, search.best())
            elif search.done:
                ticket.fail(EngineFailed("the model gave no finite score"))
        self.keep([not search.done for search in searches])
        return parents, ids

    def _advance_samplers(self, stepped: Stepped, answer: Answer) -> tuple[list[int], list[int]]:
        samplers = cast("list[Sampler]", self.searches)
        before = [len(sampler.ids) for sampler in samplers]
        parents, ids = advance_samplers(stepped, samplers)
        for ticket, sampler, count in zip(self.tickets, samplers, before, strict=True):
            if ticket.on_token is not None and len(sampler.ids) > count:
                ticket.on_token(sampler.ids[-1])
            if sampler.finish_reason is not None:
                answer(ticket, Generated(tuple(sampler.ids), sampler.finish_reason, sampler.log_probability))
        self.keep([sampler.finish_reason is None for sampler in samplers])
        return parents, ids


class Runner:
    """The model with the sequences that are being written.

    Args:
        end_id: the symbol that ends a text.
        forbidden: ids that must never be written.
        answer: called with each finished request.
        precision: of reading in both directions; prompts and writing are in float32.
    """

    def __init__(
        self, model: RondoModel, end_id: int, forbidden: Sequence[int], answer: Answer, precision: Precision
    ) -> None:
        self.model = model
        self.precision = precision
        self.end_id = end_id
        self._forbidden = torch.tensor(sorted(forbidden), dtype=torch.int64)
        self._answer = answer
        self._lanes: dict[str, _Lane] = {}

    @property
    def num_rows(self) -> int:
        """Sequences being written now, hypotheses counted."""
        return sum(sum(lane.rows_per_ticket) for lane in self._lanes.values())

    def running(self) -> list[Ticket]:
        """Requests being written now."""
        return [ticket for lane in self._lanes.values() for ticket in lane.tickets]

    def encode(self, group: Sequence[Ticket]) -> None:
        """Read a group of requests of any services: classify, or begin to write."""
        try:
            self._encode(group)
        except Exception as error:
            if len(group) == 1:
                group[0].fail(EngineFailed(f"the model failed on this request: {error}"))
                return
            begun = {ticket.number for ticket in self.running()}
            for ticket in group:
                if ticket.number not in begun and not ticket.future.done():
                    self.encode([ticket])

    def _encode(self, group: Sequence[Ticket]) -> None:
        pad_id = self.model.backbone.config.pad_id
        both_ways = [ticket for ticket in group if not isinstance(ticket.work, Generate)]
        prompts = [ticket for ticket in group if isinstance(ticket.work, Generate)]
        if both_ways:
            ids, lengths = padded([ticket.work.ids for ticket in both_ways], pad_id)
            with reading_in(self.precision):
                encoded = self.model.backbone.encode(ids, lengths)
            encoded = replace(encoded, outputs=encoded.outputs.float())
            self._classify(both_ways, encoded)
            self._begin_searches(both_ways, encoded)
        if prompts:
            ids, lengths = padded([ticket.work.ids for ticket in prompts], pad_id)
            outputs, state = self.model.backbone.read_prompts(ids, lengths)
            self._begin_samples(prompts, outputs, lengths, state)

    def _classify(self, tickets: Sequence[Ticket], encoded: Encoded) -> None:
        for head, rows in _rows_by_head(tickets, Classify).items():
            logits = self.model.classifier(head)(_select(encoded, rows))
            for row, probabilities in zip(rows, logits.softmax(dim=-1).tolist(), strict=True):
                self._answer(tickets[row], tuple(probabilities))

    def _begin_searches(self, tickets: Sequence[Ticket], encoded: Encoded) -> None:
        for head, rows in _rows_by_head(tickets, Search).items():
            memory = self.model.seq2seq(head).read(_select(encoded, rows))
            works = [cast("Search", tickets[row].work) for row in rows]
            self._lane(head).join(
                [tickets[row] for row in rows],
                [BeamSearch(work.parameters, self.end_id) for work in works],
                [work.first_id for work in works],
                start_seq2seq(self.model, head, memory),
            )

    def _lane(self, head: str) -> _Lane:
        return self._lanes.setdefault(head, _Lane(head))

    def _begin_samples(
        self, tickets: Sequence[Ticket], outputs: Tensor, lengths: Tensor, state: RecurrentState
    ) -> None:
        for head, rows in _rows_by_head(tickets, Generate).items():
            index = torch.tensor(rows)
            works = [cast("Generate", tickets[row].work) for row in rows]
            samplers = [Sampler(work.parameters, work.ids, self.end_id) for work in works]
            own = state.select(index)
            stepped = start_language_model(self.model, head, outputs[index], lengths[index], own)
            forbid(stepped.log_probabilities, self._forbidden)
            begun = _Lane(head, [tickets[row] for row in rows], samplers)
            begun.advance(stepped, self._answer)
            if begun.state is not None:
                self._lane(head).join(begun.tickets, begun.searches, begun.ids, begun.state)

    def step(self) -> None:
        """Write one more token of every running sequence."""
        lanes = [lane for lane in self._lanes.values() if lane.tickets]
        if not lanes:
            return
        inputs = []
        for lane in lanes:
            assert lane.state is not None
            inputs.append(Lane(lane.head, torch.tensor(lane.ids), lane.state))
        for lane, stepped in zip(lanes, step(self.model, inputs), strict=True):
            forbid(stepped.log_probabilities, self._forbidden)
            lane.advance(stepped, self._answer)

    def drop(self, unwanted: Callable[[Ticket], bool]) -> None:
        """Free the rows of running requests that `unwanted` says nobody needs."""
        for lane in self._lanes.values():
            keep = [not unwanted(ticket) for ticket in lane.tickets]
            if all(keep):
                continue
            rows: list[int] = []
            begin = 0
            for kept, count in zip(keep, lane.rows_per_ticket, strict=True):
                rows.extend(range(begin, begin + count) if kept else ())
                begin += count
            lane.ids = [lane.ids[row] for row in rows]
            assert lane.state is not None
            lane.state = lane.state.select(torch.tensor(rows)) if rows else None
            lane.keep(keep)

    def fail_running(self, error: EngineFailed) -> None:
        """End everything that is being written with an error."""
        for ticket in self.running():
            ticket.fail(error)
        self._lanes.clear()


def _after(state: LaneState, parents: list[int]) -> LaneState | None:
    if not parents:
        return None
    if parents == list(range(state.num_rows)):
        return state
    return state.select(torch.tensor(parents))


def _rows_by_head(tickets: Sequence[Ticket], kind: type) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, ticket in enumerate(tickets):
        if isinstance(ticket.work, kind):
            rows.setdefault(ticket.work.head, []).append(row)
    return rows


def _select(encoded: Encoded, rows: list[int]) -> Encoded:
    if len(rows) == len(encoded.lengths):
        return encoded
    index = torch.tensor(rows)
    lengths = encoded.lengths[index]
    longest = int(lengths.max())
    return Encoded(
        encoded.ids[index, :longest],
        lengths,
        encoded.outputs[index, :longest],
        encoded.mask[index, :longest],
    )

"""Runs what the scheduler chose: reads groups, keeps the running sequences, makes decoding steps.

Holds the model and no policy. A request that breaks is failed alone: a group that raises is run again one by one.
"""

import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TypeVar, cast

import torch

from rondo_models.backbone import Encoded
from rondo_models.decoding.characters import ANY_CHARACTERS, Characters
from rondo_models.decoding.lanes import Lane
from rondo_models.decoding.parameters import Hypothesis
from rondo_models.decoding.phrases import WordPieces
from rondo_models.decoding.prompts import PromptState
from rondo_models.decoding.sampling import Sampler
from rondo_models.decoding.search import begin_search
from rondo_models.executor import Executor
from rondo_models.model import RondoModel
from rondo_models.state import numbers_tensor
from rondo_models.training.sequences import padded

from ..errors import EngineFailed
from .pace import Pace
from .piecewise import LikelihoodReader, Piecewise, Reranker, ScoreReader
from .prefix_cache import PrefixCache
from .reading import LongText, LongTextReader, Prompt, PromptReader
from .requests import Classify, Generate, Likelihood, Result, Score, Search, Tag, Tagged, Ticket
from .running_lane import Answer, RunningLane, Wrote
from .running_lanes import RunningLanes
from .scheduler import Limits, rows_of

T = TypeVar("T")
Begun = TypeVar("Begun", Prompt, LongText, Piecewise)

_LONG_TOKENS_AT_ONCE = 16_384
"""Of the long texts that are being read; their outputs take about 3 KB a token until the end is reached."""

_PACED_ROWS = 16
"""Prompts that are read together while somebody listens; so many take hardly longer than one."""

_PIECEWISE_AT_ONCE = 16
"""Requests that are done piece by piece of which each tick does a piece, while nobody listens."""

_FULL_SHARE = 0.75
"""Of the rows that batch requests may have, so many need no others to join them: joining costs a copy."""

_SHORTEST_CHUNK = 8
"""Tokens of a text that are read at a time, even if that is slow."""


class Runner:
    """The model with the requests that are being read and written.

    Args:
        executor: runs the model.
        end_id: the symbol that ends a text.
        answer: called with each finished request.
        wrote: called with each token that somebody listens for.
        words: so that required phrases are not written as parts of other words.
        characters: which searches write whole; the executor knows what they say is avoidable.
    """

    def __init__(
        self,
        model: RondoModel,
        executor: Executor,
        end_id: int,
        answer: Answer,
        wrote: Wrote,
        limits: Limits,
        words: WordPieces | None = None,
        characters: Characters = ANY_CHARACTERS,
    ) -> None:
        self.model = model
        self.executor = executor
        self.end_id = end_id
        self.cache: PrefixCache[PromptState] = PrefixCache(limits.cached_prompts)
        self._limits = limits
        self._words = words
        self._characters = characters
        self._hand_out = answer
        self._wrote = wrote
        self._lanes = RunningLanes(limits.max_rows)
        self._paused = RunningLanes(limits.max_rows)
        self._prompt_reader = PromptReader(model, executor, self.cache)
        self._prompts: list[Prompt] = []
        self._long_reader = LongTextReader(model, executor)
        self._long_texts: list[LongText] = []
        self._piecewise: list[Piecewise] = []
        self._reranked: list[Reranker] = []
        self._prompts_wait = False
        self._chunk_pace = Pace(limits.pace_ratio, _SHORTEST_CHUNK, limits.chunk_tokens)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being read, written or reranked."""
        apart = self._being_read() or self._reranked
        return not apart and not any(lane.tickets for lane in self._all_lanes())

    @property
    def num_rows(self) -> int:
        """Sequences being written now, hypotheses counted; not those that pause."""
        return sum(lane.num_rows for lane in self._lanes)

    @property
    def num_batch_rows(self) -> int:
        """Those of batch requests, with those that pause, and those that will be written once they have been read."""
        kept = sum(rows_of(ticket.work) for ticket in self._being_read() if ticket.priority == "batch")
        return kept + sum(lane.num_batch_rows for lane in self._all_lanes())

    @property
    def has_interactive(self) -> bool:
        """Whether an interactive request is being read or written."""
        apart = [*self._being_read(), *self._being_reranked()]
        return any(ticket.priority == "interactive" for ticket in apart) or any(
            lane.num_batch < len(lane.tickets) for lane in self._all_lanes()
        )

    @property
    def reads_batch(self) -> bool:
        """Whether a batch request is being read."""
        return any(ticket.priority == "batch" for ticket in self._being_read())

    @property
    def takes_long_texts(self) -> bool:
        """Whether more of them would be read at once than are now."""
        return sum(text.ticket.num_tokens for text in self._long_texts) < _LONG_TOKENS_AT_ONCE

    @property
    def num_kept_rows(self) -> int:
        """Sequences that will be written once their text or prompt has been read."""
        return sum(rows_of(ticket.work) for ticket in self._being_read())

    @property
    def has_listeners(self) -> bool:
        """Whether somebody takes tokens as they are written, so that the steps should keep their pace."""
        return any(lane.has_listeners for lane in self._lanes)

    def running(self) -> list[Ticket]:
        """Requests that have been begun: read, written or reranked now, or paused."""
        apart = [*self._being_read(), *self._being_reranked()]
        return apart + [ticket for lane in self._all_lanes() for ticket in lane.tickets]

    def _all_lanes(self) -> list[RunningLane]:
        return [*self._lanes, *self._paused]

    def _being_read(self) -> list[Ticket]:
        begun: list[Prompt | LongText | Piecewise] = [*self._prompts, *self._long_texts, *self._piecewise]
        return [own.ticket for own in begun]

    def _being_reranked(self) -> list[Ticket]:
        """Of which all has been written, so that they hold no rows."""
        return [own.ticket for own in self._reranked]

    def encode(self, group: Sequence[Ticket]) -> None:
        """Read a group of texts: classify or tag, or begin to write. Prompts and long texts are read by `read_on`."""
        short = []
        longest = self._chunk_pace.tokens if self.has_listeners else self._limits.chunk_tokens
        for ticket in group:
            if isinstance(ticket.work, Generate):
                self._begin_prompt(ticket)
            elif isinstance(ticket.work, Likelihood):
                self._piecewise.append(LikelihoodReader(ticket, ticket.work, self.model, self.executor))
            elif isinstance(ticket.work, Score):
                self._apart([ticket], lambda own: own, self._begin_score)
            elif ticket.num_tokens > longest and self.model.backbone.reads_in_parts:
                self._long_texts.append(self._long_reader.begin(ticket))
            else:
                short.append(ticket)
        for rough in (True, False):
            alike = [ticket for ticket in short if self._may_be_rough(ticket) == rough]
            self._apart(alike, lambda ticket: ticket, partial(self._encode, rough=rough))

    def read_on(self, batch_tokens: int | None = None) -> None:
        """Read the next part of prompts and long texts, oldest first; of one kind only if somebody listens.

        Of what is done piece by piece, the oldest goes on too.

        Args:
            batch_tokens: of batch requests; of one the next part is always read. None: as of others.
        """
        if not self.has_listeners:
            self._read_on(self._limits.chunk_tokens, self._limits.tokens_per_cut, batch_tokens, paced=False)
        elif read := next((text for text in self._long_texts if text.is_read), None):
            self._take_up_long(read)  # which takes as long as reading a part of another
        elif self._prompts or self._long_texts or self._piecewise:
            chunk, began = self._chunk_pace.tokens, time.monotonic()
            self._read_on(chunk, _PACED_ROWS * chunk, batch_tokens, paced=True)
            self._chunk_pace.read(chunk, time.monotonic() - began)

    def _read_on(self, chunk: int, most: int, batch_tokens: int | None, *, paced: bool) -> None:
        begun = _with_batch(self._piecewise, chunk, batch_tokens)[: 1 if paced else _PIECEWISE_AT_ONCE]
        self._apart(begun, lambda own: own.ticket, partial(self._go_on, chunk=chunk))
        prompts: list[Prompt] = []
        tokens = 0
        for prompt in _with_batch(self._prompts, chunk, batch_tokens):
            prompts.append(prompt)
            tokens += min(chunk, prompt.num_left)
            if tokens >= most:
                break
        if paced and prompts and self._long_texts:
            self._prompts_wait = not self._prompts_wait
            if self._prompts_wait:
                prompts = []
        self._apart(prompts, lambda prompt: prompt.ticket, partial(self._read_prompts, chunk=chunk))
        if paced and prompts:
            return
        texts: list[LongText] = []
        length = 0
        for text in _with_batch(self._long_texts, chunk, batch_tokens):
            length += text.ticket.num_tokens
            alike = not texts or self._may_be_rough(text.ticket) == self._may_be_rough(texts[0].ticket)
            if texts and (length > _LONG_TOKENS_AT_ONCE or (paced and not alike)):
                break
            texts.append(text)
        self._apart(texts, lambda text: text.ticket, partial(self._read_long_texts, chunk=chunk))
        if not paced:
            for text in [text for text in texts if text.is_read]:
                self._take_up_long(text)

    def _apart(self, group: Sequence[T], ticket_of: Callable[[T], Ticket], run: Callable[[Sequence[T]], None]) -> None:
        """Run for all together; if that raises, for each by itself, so that only those that break fail."""
        if not group:
            return
        try:
            run(group)
        except Exception as error:
            if len(group) == 1:
                ticket = ticket_of(group[0])
                self._forget_reading(lambda own: own is ticket)
                ticket.fail(EngineFailed(f"the model failed on this request: {error}"))
                return
            begun = {ticket.number for lane in self._lanes for ticket in lane.tickets}
            for own in group:
                if ticket_of(own).number not in begun and not ticket_of(own).future.done():
                    self._apart([own], ticket_of, run)

    def _forget_reading(self, unwanted: Callable[[Ticket], bool]) -> None:
        self._prompts = [prompt for prompt in self._prompts if not unwanted(prompt.ticket)]
        self._long_texts = [text for text in self._long_texts if not unwanted(text.ticket)]
        self._piecewise = [own for own in self._piecewise if not unwanted(own.ticket)]
        self._reranked = [own for own in self._reranked if not unwanted(own.ticket)]

    def _may_be_rough(self, ticket: Ticket) -> bool:
        return self.executor.gains_by_rough and ticket.is_to_classify

    def _encode(self, group: Sequence[Ticket], *, rough: bool) -> None:
        ids, lengths = padded([ticket.work.ids for ticket in group], self.model.backbone.config.pad_id)
        self._take_up(group, self.executor.encode(ids, lengths, rough=rough))

    def _take_up(self, tickets: Sequence[Ticket], encoded: Encoded) -> None:
        """Classify and tag what is to be, and begin to write what is to be written."""
        self._classify(tickets, encoded)
        self._tag(tickets, encoded)
        self._begin_searches(tickets, encoded)

    def _read_long_texts(self, texts: Sequence[LongText], *, chunk: int) -> None:
        for rough in (True, False):
            alike = [text for text in texts if not text.is_read and self._may_be_rough(text.ticket) == rough]
            if alike:
                self._long_reader.read(alike, chunk, rough=rough)

    def _take_up_long(self, text: LongText) -> None:
        """As `_take_up`, of a text that has been read in parts."""
        self._long_texts.remove(text)
        self._apart([text], lambda own: own.ticket, lambda _: self._take_up([text.ticket], text.encoded()))

    def _go_on(self, begun: Sequence[Piecewise], *, chunk: int) -> None:
        for own in begun:
            if (result := own.go_on(chunk)) is not None:
                self._piecewise.remove(own)
                self._answer(own.ticket, result)

    def _begin_score(self, tickets: Sequence[Ticket]) -> None:
        for ticket in tickets:
            begun = ScoreReader(ticket, cast("Score", ticket.work), self.model)
            self._piecewise.append(begun)
            if ticket.num_tokens <= self._limits.chunk_tokens:  # nearly always: a piece waits for no long text
                self._go_on([begun], chunk=ticket.num_tokens)

    def _begin_prompt(self, ticket: Ticket) -> None:
        try:
            self._prompts.append(self._prompt_reader.begin(ticket))
        except ValueError as error:
            ticket.fail(EngineFailed(str(error)))

    def _read_prompts(self, prompts: Sequence[Prompt], *, chunk: int) -> None:
        for head in dict.fromkeys(prompt.work.head for prompt in prompts):
            own = [prompt for prompt in prompts if prompt.work.head == head]
            self._prompt_reader.read(head, own, chunk)
            self._begin_samples(head, [prompt for prompt in own if prompt.is_read])

    def _classify(self, tickets: Sequence[Ticket], encoded: Encoded) -> None:
        for head, rows in _rows_by_head(tickets, Classify).items():
            answers = self.executor.classify(head, _select(encoded, rows)).tolist()
            for row, probabilities in zip(rows, answers, strict=True):
                self._answer(tickets[row], tuple(probabilities))

    def _tag(self, tickets: Sequence[Ticket], encoded: Encoded) -> None:
        for head, rows in _rows_by_head(tickets, Tag).items():
            sizes = [cast("Tag", tickets[row].work).sizes for row in rows]
            for row, words in zip(rows, self.executor.tag(head, _select(encoded, rows), sizes), strict=True):
                self._answer(tickets[row], Tagged(tuple(map(tuple, words.tolist()))))

    def _begin_searches(self, tickets: Sequence[Ticket], encoded: Encoded) -> None:
        for head, rows in _rows_by_head(tickets, Search).items():
            works = [cast("Search", tickets[row].work) for row in rows]
            self._lanes.with_room(head, len(rows)).join(
                [tickets[row] for row in rows],
                [
                    begin_search(work.parameters, self.end_id, _num_attended(work), self._words, self._characters)
                    for work in works
                ],
                numbers_tensor([work.first_id for work in works]),
                self.executor.begin(head, _select(encoded, rows)),
            )

    def _answer(self, ticket: Ticket, result: Result) -> None:
        work = ticket.work
        if isinstance(work, Search) and work.channel is not None and result:
            hypotheses = cast("list[Hypothesis]", result)
            self._reranked.append(Reranker(ticket, work, work.channel, hypotheses, self.model, self.end_id))
        else:
            self._hand_out(ticket, result)

    def _begin_samples(self, head: str, prompts: Sequence[Prompt]) -> None:
        if not prompts:
            return
        stepped = self.executor.first_step(head, PromptState.concat([prompt.state for prompt in prompts]))
        samplers = [Sampler(prompt.work.parameters, prompt.work.ids, self.end_id) for prompt in prompts]
        begun, last_ids = RunningLane(head), numbers_tensor([prompt.work.ids[-1] for prompt in prompts])
        begun.join([prompt.ticket for prompt in prompts], samplers, last_ids, stepped.state)
        begun.advance(stepped, self._answer, self._wrote)
        if begun.state is not None:
            self._lanes.with_room(head, begun.num_rows).absorb(begun)
        begun_now = {prompt.ticket.number for prompt in prompts}
        self._prompts = [prompt for prompt in self._prompts if prompt.ticket.number not in begun_now]

    def share_rows(self, most: int) -> None:
        """Let at most so many rows of batch requests be written, but one request always; the youngest pause."""
        if (total := sum(lane.num_batch_rows for lane in self._lanes)) > most:
            rows = {number: own for lane in self._lanes for number, own in lane.batch_rows()}
            paused: set[int] = set()
            for number in sorted(rows)[:0:-1]:
                if total <= most:
                    break
                total -= rows[number]
                paused.add(number)
            self._move(paused, self._lanes, self._paused)
        elif waiting := sorted(
            (ticket.number, rows_of(ticket.work)) for lane in self._paused for ticket in lane.tickets
        ):
            if total > most * _FULL_SHARE:
                return
            resumed: set[int] = set()
            for number, own in waiting:
                if total and total + own > most:
                    break
                total += own
                resumed.add(number)
            self._move(resumed, self._paused, self._lanes)

    def _move(self, numbers: Collection[int], source: RunningLanes, target: RunningLanes) -> None:
        """Move requests between lanes."""
        for lane in source:
            chosen = [ticket.number in numbers for ticket in lane.tickets]
            if any(chosen):
                moved = lane.take(chosen)
                to = target.with_room(lane.head, moved.num_rows)
                try:
                    to.absorb(moved)
                except Exception as error:  # they are in no lane now, so nobody else would end them
                    for ticket in moved.tickets:
                        ticket.fail(EngineFailed(f"the request could not pause or go on: {error}"))
                    raise

    def rerank(self) -> None:
        """Ask the next few hypotheses of the oldest request that is to be reranked how they explain their source."""
        self._apart(self._reranked[:1], lambda own: own.ticket, self._rerank)

    def _rerank(self, begun: Sequence[Reranker]) -> None:
        for own in begun:
            if (result := own.go_on()) is not None:
                self._reranked.remove(own)
                self._hand_out(own.ticket, result)

    def step(self) -> None:
        """Write one more token of every running sequence."""
        self._lanes.tidy()
        self._paused.tidy()
        if not self.num_rows:
            return
        began = time.monotonic()
        for lanes in self._lanes.together():
            inputs = []
            for lane in lanes:
                assert lane.state is not None
                inputs.append(Lane(lane.head, lane.ids, lane.state))
            for lane, stepped in zip(lanes, self.executor.step(inputs), strict=True):
                lane.advance(stepped, self._answer, self._wrote)
        self._chunk_pace.stepped(time.monotonic() - began)

    def drop(self, unwanted: Callable[[Ticket], bool]) -> None:
        """Free the rows of requests that `unwanted` says nobody needs."""
        self._forget_reading(unwanted)
        for lane in self._all_lanes():
            gone = [unwanted(ticket) for ticket in lane.tickets]
            if any(gone):
                lane.take(gone)

    def fail_running(self, error: EngineFailed) -> None:
        """End everything that is being read or written with an error."""
        for ticket in self.running():
            ticket.fail(error)
        self._lanes.clear()
        self._paused.clear()
        self._prompts, self._long_texts, self._piecewise, self._reranked = [], [], [], []


def _with_batch(begun: Sequence[Begun], chunk: int, most: int | None) -> list[Begun]:
    """All interactive requests, and batch ones as long as fewer tokens of them than `most` are read."""
    chosen: list[Begun] = []
    tokens = 0
    for own in begun:
        if own.ticket.priority == "batch" and most is not None:
            if tokens >= most:
                continue
            tokens += min(chunk, own.ticket.num_tokens)
        chosen.append(own)
    return chosen


def _num_attended(work: Search) -> int:
    return len(work.ids) if work.return_attention else 0


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

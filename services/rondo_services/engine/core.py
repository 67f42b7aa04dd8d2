"""One engine tick: drop what nobody needs, encode one cut, make one decoding step.

Knows no thread and no socket: `engine.py` runs it on a thread, `worker.py` in a process of its own.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from rondo_models.config import Precision
from rondo_models.decoding.characters import Characters
from rondo_models.decoding.parameters import TokenScore
from rondo_models.decoding.phrases import WordPieces
from rondo_models.model import RondoModel
from rondo_models.native.executor import executor_for, fast_precision_of

from ..errors import EngineFailed, RondoError
from .batch_share import BatchShare
from .explaining import Explainer
from .leaving import Leaving
from .observer import EngineObserver
from .pace import Pace
from .requests import Result, Ticket
from .runner import Runner
from .scheduler import Limits, Scheduler, group_by_length

_SMALLEST_CUT = 64
"""Tokens; one request, however long, is always taken."""

_ENOUGH = 16
"""Requests that gain little by being more: a product of so many rows costs nearly twice one of half of them."""

_EXPLAIN_S = 0.02
"""How long an explanation is worked on in a tick while nothing is being written, so that others may begin."""


class EngineCore:
    """The waiting and the running requests over one model.

    Args:
        end_id: the symbol that ends a text.
        forbidden: ids that must never be written.
        precision: of reading; None: what is fast on this processor.
        words: so that required phrases are not written as parts of other words.
        avoidable: sets of ids that searches may avoid, by their names.
        byte_ids: ids of the 256 bytes, of which searches write whole characters; none if there are none.
        lock: held while the waiting requests are looked at, if other threads add some.
        clock: monotonic seconds; tests put their own.

    Attributes:
        precision: of reading.
        last_cut: requests of the last cut that had any.
        after_group: called after each group that was read, when some requests may have ended already.
    """

    def __init__(
        self,
        model: RondoModel,
        *,
        end_id: int,
        forbidden: Sequence[int],
        limits: Limits,
        observer: EngineObserver,
        precision: Precision | None = None,
        words: WordPieces | None = None,
        avoidable: Mapping[str, Sequence[int]] | None = None,
        byte_ids: Sequence[int] = (),
        lock: AbstractContextManager[object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self.observer = observer
        self.scheduler = Scheduler(limits)
        self.precision = precision or fast_precision_of(model)
        characters = Characters(byte_ids, model.backbone.config.vocabulary_size, avoidable)
        executor = executor_for(model, forbidden, self.precision, characters.avoidable)
        self.runner = Runner(model, executor, end_id, self._answer, self._wrote, limits, words, characters)
        self.explainer = Explainer(model, self._answer)
        self.last_cut = 0
        self._step_s = 0.0
        self._leaving = Leaving()
        self._batch_share = BatchShare(limits)
        self._cut_pace = Pace(limits.pace_ratio, _SMALLEST_CUT, limits.tokens_per_cut)
        self.after_group: Callable[[], None] = lambda: None
        self._lock: AbstractContextManager[object] = lock or nullcontext()
        self._clock = clock

    @property
    def is_batch_invariant(self) -> bool:
        """Whether an answer is the same, bit for bit, whatever else is read and written with it."""
        return self.runner.executor.is_batch_invariant

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is being written."""
        return not len(self.scheduler) and self._nothing_begun

    @property
    def _nothing_begun(self) -> bool:
        return self.runner.is_idle and self.explainer.is_idle

    @property
    def may_wait_for_company(self) -> bool:
        """Whether requests that wait now gain by waiting a little longer: others may come and share a batch.

        No more are expected than came last time, so that clients that wait for their answers are not waited for.
        """
        expected = min(self.last_cut, _ENOUGH)
        waiting = self.scheduler
        return len(waiting) < expected and waiting.waiting_tokens < self.limits.tokens_per_cut and self._nothing_begun

    def add(self, tickets: Sequence[Ticket]) -> None:
        """Let requests wait; whoever adds from another thread holds the lock."""
        self.scheduler.add(tickets)
        self._leaving.came(tickets)

    def tick(self) -> None:
        """Do one round of work."""
        began = time.monotonic()
        self._drop_unwanted()
        self._look_who_is_about()
        cut = self._cut()
        for ticket in cut:
            ticket.started_at = began
        try:
            for group in group_by_length(cut, self.limits.padding_share, self.runner.executor.smallest_group):
                self.runner.encode(group)
                self.observer.encoded(len(group), sum(ticket.num_tokens for ticket in group))
                self.after_group()
            if cut:
                self._cut_pace.read(sum(ticket.num_tokens for ticket in cut), time.monotonic() - began)
            self.runner.read_on(self._batch_share.tokens)
            self.runner.rerank()
            self._explain(began)
            if saved := self.runner.cache.take_savings():
                self.observer.cache_used(*saved)
        except BaseException:
            for ticket in cut:  # those that are in neither the queue nor a lane would be lost
                ticket.fail(EngineFailed("the engine has stopped"))
            raise
        encoded = time.monotonic()
        try:
            self.runner.share_rows(self._batch_share.rows)  # again, as requests may have begun
            self.runner.step()
        except Exception as error:
            self.runner.fail_running(EngineFailed(f"a decoding step failed: {error}"))
        now = time.monotonic()
        if self.runner.num_rows:
            self._step_s = now - encoded
            self._cut_pace.stepped(self._step_s)
        self.observer.ticked(encoded - began, now - encoded, self.runner.num_rows)

    def end(self, error: EngineFailed) -> None:
        """End all requests with an error."""
        with self._lock:
            for ticket in self.scheduler.drain():
                ticket.fail(error)
        self.runner.fail_running(error)
        self.explainer.fail(error)

    def _explain(self, now: float) -> None:
        """Go on with the explanation, or begin the next; where something is being written, it keeps its pace."""
        if self.explainer.is_idle:
            with self._lock:
                ticket = self.scheduler.next_explanation(self._clock(), self._drop)
            if ticket is None:
                return
            self.observer.queued(len(self.scheduler))
            ticket.started_at = now
            self.explainer.begin(ticket)
        self.explainer.advance(self.limits.pace_ratio * self._step_s if self.runner.num_rows else _EXPLAIN_S)

    @property
    def _runs_interactive(self) -> bool:
        return self.runner.has_interactive or self.explainer.is_interactive

    def _look_who_is_about(self) -> None:
        """Let batch requests pause, or go on, before others are given rows."""
        about = self._runs_interactive or self.scheduler.has_interactive
        self._batch_share.look(self._clock(), interactive=about)
        try:
            self.runner.share_rows(self._batch_share.rows)
        except Exception as error:
            self.runner.fail_running(EngineFailed(f"batch requests could not be paused: {error}"))

    def _cut(self) -> list[Ticket]:
        """The requests to encode in this tick."""
        runner = self.runner
        rows = runner.num_rows + runner.num_kept_rows
        with self._lock:
            share, now, takes_long = self._batch_share, self._clock(), runner.takes_long_texts
            room = share.room(runner.num_batch_rows, is_reading=runner.reads_batch)
            if not runner.is_idle and not self.scheduler.is_worth_a_cut(
                time.monotonic(), room, only_batch_runs=not self._runs_interactive, takes_long=takes_long
            ):
                return []
            most = self._cut_pace.tokens if runner.has_listeners else self.limits.tokens_per_cut
            free = self.limits.max_rows - rows
            cut = self.scheduler.cut(now, free, most, self._drop, room, takes_long=takes_long)
            self.observer.queued(len(self.scheduler))
        self.last_cut = len(cut) or self.last_cut
        return cut

    def _answer(self, ticket: Ticket, result: Result) -> None:
        if ticket.finish(result):
            self.observer.finished(ticket, result, time.monotonic())

    def _wrote(self, ticket: Ticket, identifier: int, score: TokenScore | None) -> None:
        ticket.wrote(identifier, score, self.observer)

    def _drop(self, ticket: Ticket, error: RondoError) -> None:
        if ticket.fail(error):
            self.observer.dropped(ticket, error)

    def _drop_unwanted(self) -> None:
        now = self._clock()
        if not self._leaving.may_have_happened(now):
            return

        def is_unwanted(ticket: Ticket) -> bool:
            error = ticket.expired_or_cancelled(now)
            if error is not None:
                self._drop(ticket, error)
            return error is not None

        self.runner.drop(is_unwanted)
        self.explainer.drop(is_unwanted)
        with self._lock:
            self.scheduler.drop(is_unwanted)
            begun = [*self.runner.running(), *self.explainer.being_explained()]
            self._leaving.left([*begun, *self.scheduler.waiting()])

"""The engine's thread: admit, drop what nobody needs, encode one cut, make one decoding step, again.

Its interface is `submit`; the thread ends with `close`.
"""

import threading
import time
from collections.abc import Callable, Sequence

import torch

from rondo_models.model import RondoModel
from rondo_models.precision import Precision, fast_precision

from ..errors import EngineFailed, InvalidInput, Overloaded, RondoError
from .observer import EngineObserver
from .requests import Result, Ticket, Work
from .runner import Runner
from .scheduler import Limits, Scheduler, group_by_length, rows_of

_SLOWEST_RETRY_S = 60


class Engine:
    """Batches requests of all services over one model, on one thread.

    Args:
        max_wait_s: how long the first request of an idle engine waits for company, if there was any last time.
        num_threads: of the matrix kernels.
        precision: of reading; None: what is fast on this processor.
        clock: monotonic seconds; tests put their own.
    """

    def __init__(
        self,
        model: RondoModel,
        *,
        end_id: int,
        forbidden: Sequence[int],
        limits: Limits | None = None,
        max_wait_s: float = 0.002,
        num_threads: int = 1,
        precision: Precision | None = None,
        observer: EngineObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits or Limits()
        self._model = model
        self._scheduler = Scheduler(self.limits)
        self._runner = Runner(model, end_id, forbidden, self._answer, precision or fast_precision())
        self._observer = observer or EngineObserver()
        self._max_wait_s = max_wait_s
        self._num_threads = num_threads
        self._clock = clock
        self._condition = threading.Condition()
        self._closing = False
        self._draining = False
        self._last_cut = 0
        self._finished_per_s = 0.0
        self._thread = threading.Thread(target=self._run, name="rondo-engine", daemon=True)
        self._thread.start()

    def submit(
        self,
        work: Work,
        *,
        deadline: float | None = None,
        on_token: Callable[[int], None] | None = None,
    ) -> Ticket:
        """Queue a request.

        Raises:
            Overloaded: the queue is full.
            InvalidInput: no such head, no ids, or one that is not in the vocabulary.
            EngineFailed: the engine has stopped.
        """
        return self.submit_all([work], deadline=deadline, on_token=[on_token])[0]

    def submit_all(
        self,
        works: Sequence[Work],
        *,
        deadline: float | None = None,
        on_token: Sequence[Callable[[int], None] | None] = (),
    ) -> list[Ticket]:
        """Queue several requests, all or none; `on_token` has none or one for each. Raises as `submit` does."""
        size = self._model.backbone.config.vocabulary_size
        for work in works:
            if work.head not in self._model.heads:
                raise InvalidInput(f"no head {work.head!r}; there are {', '.join(self._model.heads)}")
            if not work.ids or min(work.ids) < 0 or max(work.ids) >= size:
                raise InvalidInput("a request needs ids, all of them in the vocabulary")
        tickets = [
            Ticket(work, deadline=deadline, on_token=listener)
            for work, listener in zip(works, on_token or [None] * len(works), strict=True)
        ]
        for ticket in tickets:
            if rows_of(ticket) > self.limits.max_rows:
                raise InvalidInput(f"a request may have at most {self.limits.max_rows} hypotheses")
        with self._condition:
            if self._closing or self._draining:
                raise EngineFailed("the engine has stopped")
            if not self._scheduler.has_room(tickets):
                self._observer.refused(len(tickets))
                raise Overloaded("the queue is full; try again later", retry_after_s=self._retry_after_s())
            self._scheduler.add(tickets)
            self._observer.queued(len(self._scheduler))
            self._condition.notify()
        return tickets

    def _retry_after_s(self) -> int:
        """When the queue will have drained at the pace of late, in whole seconds."""
        if self._finished_per_s <= 0:
            return 1
        return min(_SLOWEST_RETRY_S, max(1, round(len(self._scheduler) / self._finished_per_s)))

    @property
    def precision(self) -> Precision:
        """The number format in which the engine reads."""
        return self._runner.precision

    @property
    def is_alive(self) -> bool:
        """Whether requests will be answered."""
        return self._thread.is_alive() and not self._closing

    def drain(self, timeout_s: float) -> None:
        """Take no more requests and wait until those taken have ended, at most `timeout_s`."""
        with self._condition:
            self._draining = True
            self._condition.notify()
        self._thread.join(timeout_s)

    def close(self) -> None:
        """Stop now; what was in flight ends with EngineFailed."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join()

    def _answer(self, ticket: Ticket, result: Result) -> None:
        if ticket.finish(result):
            self._observer.finished(ticket, result, time.monotonic())

    def _drop(self, ticket: Ticket, error: RondoError) -> None:
        if ticket.fail(error):
            self._observer.dropped(error)

    def _is_unwanted(self, ticket: Ticket) -> bool:
        error = ticket.expired_or_cancelled(self._clock())
        if error is not None:
            self._drop(ticket, error)
        return error is not None

    def _run(self) -> None:
        torch.set_num_threads(self._num_threads)
        try:
            with torch.inference_mode():
                while self._wait_for_work():
                    self._tick()
        finally:
            self._closing = True
            error = EngineFailed("the engine has stopped")
            with self._condition:
                for ticket in self._scheduler.drain():
                    ticket.fail(error)
            self._runner.fail_running(error)

    def _wait_for_work(self) -> bool:
        """Sleep while there is nothing to do; False when it is time to end."""
        with self._condition:
            while not self._closing and not len(self._scheduler) and not self._runner.num_rows:
                if self._draining:
                    return False
                self._condition.wait()
            if not self._closing and not self._runner.num_rows:
                self._wait_for_company()
            return not self._closing

    def _wait_for_company(self) -> None:
        """A short wait, once an idle engine gets its first request, so that a burst shares a batch.

        Whoever came alone last time is taken to come alone again, and does not wait.
        """
        if self._last_cut == 1:
            return
        deadline = time.monotonic() + self._max_wait_s
        while (left := deadline - time.monotonic()) > 0 and not self._closing:
            if self._scheduler.waiting_tokens >= self.limits.tokens_per_cut:
                return
            self._condition.wait(left)

    def _cut(self) -> list[Ticket]:
        """The requests to encode in this tick."""
        rows = self._runner.num_rows
        with self._condition:
            if rows and not self._scheduler.is_worth_a_cut(time.monotonic()):
                return []
            cut = self._scheduler.cut(self._clock(), self.limits.max_rows - rows, self._drop)
            self._observer.queued(len(self._scheduler))
        self._last_cut = len(cut) or self._last_cut
        return cut

    def _tick(self) -> None:
        began = time.monotonic()
        self._runner.drop(self._is_unwanted)
        cut = self._cut()
        for ticket in cut:
            ticket.started_at = began
        try:
            for group in group_by_length(cut, self.limits.padding_share):
                self._runner.encode(group)
                self._observer.encoded(len(group), sum(ticket.num_tokens for ticket in group))
        except BaseException:
            for ticket in cut:  # those that are in neither the queue nor a lane would be lost
                ticket.fail(EngineFailed("the engine has stopped"))
            raise
        encoded = time.monotonic()
        try:
            self._runner.step()
        except Exception as error:
            self._runner.fail_running(EngineFailed(f"a decoding step failed: {error}"))
        now = time.monotonic()
        self._observer.ticked(encoded - began, now - encoded, self._runner.num_rows)
        self._finished_per_s = self._observer.finished_per_s(now)

"""The engine on a thread of this process, for scripts, tests and batch jobs."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import torch

from rondo_models.config import Precision
from rondo_models.decoding.phrases import WordPieces
from rondo_models.model import RondoModel

from ..errors import EngineFailed
from .admission import Entrance, Queue
from .core import EngineCore
from .observer import EngineObserver
from .requests import OnToken, Priority, Ticket, Work
from .scheduler import Limits


class Engine:
    """Batches requests of all services over one model, on one thread.

    Args:
        end_id: the symbol that ends a text.
        forbidden: ids that must never be written.
        max_wait_s: how long the first request of an idle engine waits for company, if there was any last time.
        num_threads: of the matrix kernels.
        precision: of reading; None: what is fast on this processor.
        words: so that required phrases are not written as parts of other words.
        avoidable: sets of ids that searches may avoid, by their names.
        byte_ids: ids of the 256 bytes, of which searches write whole characters; none if there are none.
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
        words: WordPieces | None = None,
        avoidable: Mapping[str, Sequence[int]] | None = None,
        byte_ids: Sequence[int] = (),
        observer: EngineObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._condition = threading.Condition()
        self._observer = observer or EngineObserver()
        self._core = EngineCore(
            model,
            end_id=end_id,
            forbidden=forbidden,
            limits=limits or Limits(),
            observer=self._observer,
            precision=precision,
            words=words,
            avoidable=avoidable,
            byte_ids=byte_ids,
            lock=self._condition,
            clock=clock,
        )
        size = model.backbone.config.vocabulary_size
        unwritable = (*forbidden, end_id)
        self._entrance = Entrance(
            list(model.heads), size, self._core.limits, self._observer.refused, unwritable, list(avoidable or ())
        )
        self._max_wait_s = max_wait_s
        self._num_threads = num_threads
        self._closing = False
        self._draining = False
        self._thread = threading.Thread(target=self._run, name="rondo-engine", daemon=True)
        self._thread.start()

    @property
    def limits(self) -> Limits:
        """How much the engine takes on."""
        return self._core.limits

    @property
    def precision(self) -> Precision:
        """The number format in which the engine reads."""
        return self._core.precision

    @property
    def is_batch_invariant(self) -> bool:
        """As `EnginePort.is_batch_invariant`."""
        return self._core.is_batch_invariant

    @property
    def is_alive(self) -> bool:
        """Whether requests will be answered."""
        return self._thread.is_alive() and not self._closing

    def submit(
        self,
        work: Work,
        *,
        deadline: float | None = None,
        on_token: OnToken | None = None,
    ) -> Ticket:
        """Queue a request; raises as `submit_all` does."""
        return self.submit_all([work], deadline=deadline, on_token=[on_token])[0]

    def submit_all(
        self,
        works: Sequence[Work],
        *,
        deadline: float | None = None,
        priority: Priority = "interactive",
        on_token: Sequence[OnToken | None] = (),
    ) -> list[Ticket]:
        """As `EnginePort.submit_all`."""
        self._entrance.check(works)
        tickets = [
            Ticket(work, deadline=deadline, priority=priority, on_token=listener)
            for work, listener in zip(works, on_token or [None] * len(works), strict=True)
        ]
        with self._condition:
            if self._closing or self._draining:
                raise EngineFailed("the engine has stopped")
            self._entrance.admit(tickets, self._queue())
            self._core.add(tickets)
            self._observer.admitted(len(tickets))
            self._observer.queued(len(self._core.scheduler))
            self._condition.notify()
        return tickets

    @contextmanager
    def places(self, count: int) -> Iterator[None]:
        """As `EnginePort.places`."""
        kept = ExitStack()
        with self._condition:
            kept.enter_context(self._entrance.places(count, self._queue()))
        try:
            yield
        finally:
            with self._condition:
                kept.close()

    def _queue(self) -> Queue:
        scheduler = self._core.scheduler
        return Queue(len(scheduler), scheduler.waiting_tokens, self._observer.finished_per_s(time.monotonic()))

    async def stop(self, grace_s: float) -> None:
        """As `EnginePort.stop`."""
        await asyncio.to_thread(self.drain, grace_s)
        await asyncio.to_thread(self.close)
        self._observer.stopped()

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

    def _run(self) -> None:
        torch.set_num_threads(self._num_threads)
        try:
            with torch.inference_mode():
                while self._wait_for_work():
                    self._core.tick()
        finally:
            self._closing = True
            self._core.end(EngineFailed("the engine has stopped"))

    def _wait_for_work(self) -> bool:
        """Sleep while there is nothing to do; False when it is time to end."""
        with self._condition:
            while not self._closing and self._core.is_idle:
                if self._draining:
                    return False
                self._condition.wait()
            deadline = time.monotonic() + self._max_wait_s
            while not self._closing and self._core.may_wait_for_company and (left := deadline - time.monotonic()) > 0:
                self._condition.wait(left)
            return not self._closing

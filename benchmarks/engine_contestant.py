"""Rondo's engine as a contestant: in this process, with all the work handed over at once."""

import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contest import Run
from benchmarks.reporting import THREADS
from rondo_models.config import Precision
from rondo_models.decoding.parameters import Hypothesis
from rondo_services.engine.requests import Generated, Work
from rondo_services.engine.scheduler import Limits
from rondo_services.local import LocalSuite, load_suite


class EngineContestant:
    """An engine that is started anew for each batch size, which is the number of sequences written at a time.

    Args:
        works: the whole work.
        precision: of reading; None: what is fast on this processor.
    """

    def __init__(self, bundle: Path, works: Sequence[Work], precision: Precision | None = None) -> None:
        self._bundle = bundle
        self._works = works
        self._precision = precision
        self._batch_size = 0
        self._suite: LocalSuite | None = None

    def _suite_for(self, batch_size: int) -> LocalSuite:
        if self._suite is None or batch_size != self._batch_size:
            self.close()
            num_tokens = sum(len(work.ids) for work in self._works)
            limits = Limits(
                max_waiting=len(self._works),
                max_waiting_tokens=num_tokens,
                tokens_per_cut=num_tokens,
                max_rows=batch_size,
                cached_prompts=0,  # the same work is done again and again
            )
            self._suite = load_suite(self._bundle, limits=limits, num_threads=THREADS, precision=self._precision)
            self._batch_size = batch_size
            self._suite.run_blocking(self._works[:1])
        return self._suite

    def close(self) -> None:
        """Stop the engine."""
        if self._suite is not None:
            self._suite.close()

    def lengths(self, batch_size: int) -> list[int]:
        """Tokens written for each work, an end symbol counted."""
        return [num_steps(answer) for answer in self._suite_for(batch_size).run_blocking(self._works)]

    def run(self, batch_size: int) -> Run:
        """The whole work once."""
        suite = self._suite_for(batch_size)
        began = time.perf_counter()
        answers = suite.run_blocking(self._works)
        seconds = time.perf_counter() - began
        return Run(sum(map(num_steps, answers)), seconds)


def num_steps(answer: list[Hypothesis] | Generated) -> int:
    """Tokens written for one request, an end symbol counted."""
    written = answer[0] if isinstance(answer, list) else answer
    return len(written.ids) + (written.finish_reason == "stop")

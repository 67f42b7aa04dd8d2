"""Counts what comes to the models, for Triton's statistics extension."""

import time
from dataclasses import dataclass, field

from ....timing import RequestTimes
from .schema import Duration, InferStatistics, ModelStatistics


@dataclass(slots=True)
class _Total:
    count: int = 0
    ns: int = 0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.ns += round(seconds * 1e9)

    def reply(self) -> Duration:
        return Duration(count=self.count, ns=self.ns)


@dataclass(slots=True)
class Counters:
    """Of one model, since the server started."""

    _last_ms: int = 0
    _texts: int = 0
    _success: _Total = field(default_factory=_Total)
    _fail: _Total = field(default_factory=_Total)
    _queue: _Total = field(default_factory=_Total)
    _input: _Total = field(default_factory=_Total)
    _infer: _Total = field(default_factory=_Total)
    _output: _Total = field(default_factory=_Total)

    def succeeded(self, num_texts: int, times: RequestTimes, output_s: float, total_s: float) -> None:
        """A request was answered; putting the answer into tensors took `output_s` of `total_s`."""
        self._last_ms = round(time.time() * 1000)
        self._texts += num_texts
        self._success.add(total_s)
        self._queue.add(times.queue_s)
        self._input.add(times.tokenize_s)
        self._infer.add(times.inference_s)
        self._output.add(output_s)

    def failed(self, total_s: float) -> None:
        """A request ended in an error."""
        self._fail.add(total_s)

    def reply(self, name: str, version: str) -> ModelStatistics:
        """As they are now."""
        none = Duration(count=0, ns=0)
        return ModelStatistics(
            name=name,
            version=version,
            last_inference=self._last_ms,
            inference_count=self._texts,
            execution_count=self._success.count,
            inference_stats=InferStatistics(
                success=self._success.reply(),
                fail=self._fail.reply(),
                queue=self._queue.reply(),
                compute_input=self._input.reply(),
                compute_infer=self._infer.reply(),
                compute_output=self._output.reply(),
                cache_hit=none,
                cache_miss=none,
            ),
            batch_stats=[],
        )

"""Time between tokens of running streams, alone and while long inputs of other services keep arriving."""

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from benchmarks.load import quantile
from benchmarks.processes import ServerProcess
from benchmarks.token_stream import open_stream
from benchmarks.wire import ask

NUM_STREAMS = 8
_MOST_TOKENS = 2048
_INPUTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "/v1/sentiment": ("text", {}),
    "/v1/summarize": ("text", {}),
    "/v1/generate": ("prompt", {"max_tokens": 1}),
}


@dataclass(frozen=True, slots=True)
class TokenGaps:
    """What one round found.

    Attributes:
        quiet_p50_ms, quiet_p99_ms: with nothing else.
        loaded_p50_ms, loaded_p99_ms: while long inputs keep arriving.
        ratio: the loaded p99 over the quiet p50.
        inputs_per_s: long inputs that were answered meanwhile.
    """

    quiet_p50_ms: float
    quiet_p99_ms: float
    loaded_p50_ms: float
    loaded_p99_ms: float
    ratio: float
    inputs_per_s: float


async def _gaps_of_one(port: int, prompt: str, until: float) -> list[float]:
    """Seconds between tokens of one stream after the other, until a time of the performance counter."""
    gaps: list[float] = []
    while (left := until - time.perf_counter()) > 0:
        stream = await open_stream(port, {"prompt": prompt, "max_tokens": _MOST_TOKENS, "temperature": 0})
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(stream.ended), left)
        gaps += stream.gaps()
        stream.close()
    return gaps


async def _gaps(port: int, prompts: Sequence[str], seconds: float) -> list[float]:
    """Sorted seconds between tokens of all streams."""
    until = time.perf_counter() + seconds
    prompts = list(itertools.islice(itertools.cycle(prompts), NUM_STREAMS))
    gaps = await asyncio.gather(*(_gaps_of_one(port, prompt, until) for prompt in prompts))
    return sorted(itertools.chain.from_iterable(gaps))


async def _gaps_under_load(
    port: int, prompts: Sequence[str], seconds: float, draw: Callable[[], str]
) -> tuple[list[float], int]:
    """As `_gaps`, while one long input of each kind is always in flight; and how many were answered."""
    num_answered = 0

    async def keep_asking(path: str, field: str, options: Mapping[str, Any]) -> None:
        nonlocal num_answered
        while True:
            await ask(port, path, {field: draw(), **options})
            num_answered += 1

    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(keep_asking(path, *fields)) for path, fields in _INPUTS.items()]
        gaps = await _gaps(port, prompts, seconds)
        for task in asking:
            task.cancel()
    return gaps, num_answered


def measure_token_gaps(
    server: ServerProcess, prompts: Sequence[str], seconds: float, draw: Callable[[], str]
) -> TokenGaps:
    """Each phase takes `seconds`.

    Args:
        prompts: after which the model writes much.
        draw: makes a long input, each time another one.

    Raises:
        ExceptionGroup: a long input was not answered.
        RuntimeError: a stream broke off.
    """
    quiet = asyncio.run(_gaps(server.port, prompts, seconds))
    loaded, num_answered = asyncio.run(_gaps_under_load(server.port, prompts, seconds, draw))
    return TokenGaps(
        quiet_p50_ms=1000 * quantile(quiet, 0.5),
        quiet_p99_ms=1000 * quantile(quiet, 0.99),
        loaded_p50_ms=1000 * quantile(loaded, 0.5),
        loaded_p99_ms=1000 * quantile(loaded, 0.99),
        ratio=quantile(loaded, 0.99) / quantile(quiet, 0.5),
        inputs_per_s=num_answered / seconds,
    )

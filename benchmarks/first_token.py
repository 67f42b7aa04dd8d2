"""Time to the first token after a long prompt, when it is new and when it was read before."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.processes import ServerProcess
from benchmarks.token_stream import open_stream


@dataclass(frozen=True, slots=True)
class FirstToken:
    """What one round found.

    Attributes:
        first_ms, second_ms: medians over the prompts, each sent twice.
        ratio: the second over the first time, the median over the prompts.
    """

    first_ms: float
    second_ms: float
    ratio: float


async def _time_to_first_token(port: int, prompt: str) -> float:
    stream = await open_stream(port, {"prompt": prompt, "max_tokens": 2, "temperature": 0})
    await stream.ended
    return 1000 * (stream.arrivals[0] - stream.sent_at)


async def _each_twice(port: int, prompts: Sequence[str]) -> list[tuple[float, float]]:
    return [(await _time_to_first_token(port, p), await _time_to_first_token(port, p)) for p in prompts]


def measure_first_token(server: ServerProcess, prompts: Sequence[str]) -> FirstToken:
    """Send each of `prompts` twice, one request at a time; the first of them only warms up."""
    _, *measured = asyncio.run(_each_twice(server.port, prompts))
    return FirstToken(
        first_ms=median(first for first, _ in measured),
        second_ms=median(second for _, second in measured),
        ratio=median(second / first for first, second in measured),
    )

"""Very many open streams at once: how fast they are written, and what memory each takes.

A stream that does not come to its end is an error.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from benchmarks.processes import ServerProcess
from benchmarks.token_stream import TokenStream, open_stream

_SAMPLE_EVERY_S = 0.5
_LONGEST_S = 600.0
_OPENED_AT_ONCE = 64
"""One after the other, the first would have ended before the last had begun."""


@dataclass(frozen=True, slots=True)
class OpenStreams:
    """What one round found.

    Attributes:
        num_open: most streams that were between their first and their last token at the same time.
        tokens_per_s: of all streams together, from the first request to the last token.
        longest_gap_s: between one token and the next, of any stream.
        kb_per_stream: resident memory of all the server's processes, in 10³ bytes: the most with all streams less the
            most with one, a stream beyond the first.
    """

    num_open: int
    tokens_per_s: float
    longest_gap_s: float
    kb_per_stream: float


def endless_prompts(server: ServerProcess, prompts: Sequence[str], num_tokens: int) -> list[str]:
    """Those of `prompts` after which the model, always taking the likeliest token, writes so many.

    Penalties that forbid the end would do it after any prompt, but cost time of their own.

    Raises:
        RuntimeError: there is none.
    """
    body = {"prompt": list(prompts), "max_tokens": num_tokens, "temperature": 0}
    results = json.loads(server.request("POST", "/v1/generate", json.dumps(body)))["results"]
    found = [p for p, result in zip(prompts, results, strict=True) if result["finish_reason"] == "length"]
    if not found:
        raise RuntimeError(f"after none of {len(prompts)} prompts the model writes {num_tokens} tokens")
    return found


async def _most_resident_mb(server: ServerProcess, streams: Sequence[TokenStream]) -> float:
    """The most that was seen until all have ended."""
    most = 0.0
    open_ones = {stream.ended for stream in streams}
    async with asyncio.timeout(_LONGEST_S):
        while open_ones:
            most = max(most, server.resident_mb())
            _, open_ones = await asyncio.wait(open_ones, timeout=_SAMPLE_EVERY_S, return_when=asyncio.ALL_COMPLETED)
    return most


async def _together(
    server: ServerProcess, prompts: Sequence[str], count: int, num_tokens: int
) -> tuple[list[TokenStream], float]:
    """So many streams at once, and the most memory meanwhile in MB."""
    free = asyncio.Semaphore(_OPENED_AT_ONCE)

    async def opened(number: int) -> TokenStream:
        fields = {"prompt": prompts[number % len(prompts)], "max_tokens": num_tokens, "temperature": 0}
        async with free:
            return await open_stream(server.port, fields)

    streams = await asyncio.gather(*map(opened, range(count)))
    return streams, await _most_resident_mb(server, streams)


def _most_at_once(streams: Sequence[TokenStream]) -> int:
    """Most streams that were being written at the same time."""
    begun = [(stream.arrivals[0], 1) for stream in streams]
    ended = [(stream.arrivals[-1], -1) for stream in streams]
    return max(accumulate(change for _, change in sorted(begun + ended)))


def measure_open_streams(server: ServerProcess, prompts: Sequence[str], count: int, num_tokens: int) -> OpenStreams:
    """One stream, then `count` of them at once, on a server that has done nothing before.

    Raises:
        RuntimeError: a stream broke off.
        TimeoutError: the streams took too long.
    """

    async def both() -> tuple[float, list[TokenStream], float]:
        _, one_mb = await _together(server, prompts, 1, num_tokens)
        return one_mb, *await _together(server, prompts, count, num_tokens)

    one_mb, streams, all_mb = asyncio.run(both())
    seconds = max(stream.arrivals[-1] for stream in streams) - min(stream.sent_at for stream in streams)
    return OpenStreams(
        num_open=_most_at_once(streams),
        tokens_per_s=sum(stream.ended.result() for stream in streams) / seconds,
        longest_gap_s=max(max(stream.gaps()) for stream in streams),
        kb_per_stream=1000 * (all_mb - one_mb) / (count - 1),
    )

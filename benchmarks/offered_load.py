"""Offers one endpoint requests at an even pace or by chance, whether or not it can answer them; a process of its own.

Reads its job as JSON from standard input, writes what it measured as JSON to standard output. A request that is due
goes out on a connection that has none in flight; where all have, it is counted as not sent. What is in flight at the
end is waited for.
"""

import asyncio
import json
import sys
import time
from array import array
from bisect import bisect_right
from collections import defaultdict, deque
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import cast

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.load import quantile
from benchmarks.processes import HOST
from benchmarks.wire import length_of_reply, status_of

_TICK_S = 0.002


@dataclass(frozen=True, slots=True)
class OfferedJob:
    """What to send where.

    Attributes:
        requests: sent in turns, each ready to be written.
        requests_per_s: offered.
        connections: the most that may be in flight.
        seconds: how long to offer.
        longest_s: when to give up, all in all.
        seed: requests come by chance, knowing nothing of each other (Poisson); None: at an even pace.
    """

    port: int
    requests: list[str]
    requests_per_s: float
    connections: int
    seconds: float
    longest_s: float
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Offered:
    """What one run found.

    Attributes:
        num_due, num_sent: requests that were to go out, and that did.
        replies: their number by status.
        p50_ms, p99_ms: from sending to the whole reply, by status.
        num_lost: requests without a whole reply.
        cpu_share: processor time of the load over the time it ran.
        lag_p99_ms: by how much the load itself woke up too late: what it says of shorter times is not to be trusted.
    """

    num_due: int
    num_sent: int
    replies: dict[str, int]
    p50_ms: dict[str, float]
    p99_ms: dict[str, float]
    num_lost: int
    cpu_share: float
    lag_p99_ms: float


def _by_chance(requests_per_s: float, seconds: float, seed: int) -> "array[float]":
    """When requests are due within that time."""
    draw, at = Random(seed), array("d")
    due_s = draw.expovariate(requests_per_s)
    while due_s < seconds:
        at.append(due_s)
        due_s += draw.expovariate(requests_per_s)
    return at


class OfferedLoad:
    """All connections and what they measured together."""

    def __init__(self, job: OfferedJob) -> None:
        self.free: deque[Connection] = deque()
        self.latencies: dict[int, array[float]] = defaultdict(lambda: array("d"))
        self.num_lost = 0
        self._job = job
        self._requests = [request.encode() for request in job.requests]
        self._due_s = None if job.seed is None else _by_chance(job.requests_per_s, job.seconds, job.seed)
        self._num_due = 0
        self._num_sent = 0
        self._lags = array("d")
        self._connecting: set[asyncio.Task[None]] = set()

    async def _connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: Connection(self), HOST, self._job.port)

    def lost(self, connection: "Connection") -> None:
        """A connection was closed: another takes its place."""
        if connection.is_waiting:
            self.num_lost += 1
        else:
            self.free.remove(connection)
        task = asyncio.create_task(self._connect())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def run(self) -> Offered:
        """Offer the load.

        Raises:
            TimeoutError: it took longer than `longest_s`.
        """
        job = self._job
        began = time.perf_counter()
        async with asyncio.timeout(job.longest_s):
            for _ in range(job.connections):
                await self._connect()
            offer_began = time.perf_counter()
            while (elapsed := time.perf_counter() - offer_began) < job.seconds:
                self._send_until(self._due(elapsed))
                slept_at = time.perf_counter()
                await asyncio.sleep(_TICK_S)
                self._lags.append(time.perf_counter() - slept_at - _TICK_S)
            while len(self.free) < job.connections:
                await asyncio.sleep(_TICK_S)
        ordered = {str(status): sorted(own) for status, own in sorted(self.latencies.items())}
        return Offered(
            num_due=self._num_due,
            num_sent=self._num_sent,
            replies={status: len(own) for status, own in ordered.items()},
            p50_ms={status: 1000 * quantile(own, 0.5) for status, own in ordered.items()},
            p99_ms={status: 1000 * quantile(own, 0.99) for status, own in ordered.items()},
            num_lost=self.num_lost,
            cpu_share=time.process_time() / (time.perf_counter() - began),
            lag_p99_ms=1000 * quantile(sorted(self._lags), 0.99),
        )

    def _due(self, elapsed_s: float) -> int:
        """Requests that should have been sent by then."""
        if self._due_s is None:
            return int(elapsed_s * self._job.requests_per_s)
        return bisect_right(self._due_s, elapsed_s)

    def _send_until(self, num_due: int) -> None:
        for number in range(self._num_due, num_due):
            if not self.free:
                break
            self.free.popleft().send(self._requests[number % len(self._requests)])
            self._num_sent += 1
        self._num_due = num_due


class Connection(asyncio.Protocol):
    """One connection, with at most one request in flight; it puts itself among the free ones."""

    def __init__(self, load: OfferedLoad) -> None:
        self.is_waiting = False
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._reply = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._load.free.append(self)

    def send(self, request: bytes) -> None:
        """Send a whole request."""
        assert self._transport is not None
        self.is_waiting = True
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._reply += data
        length = length_of_reply(self._reply)
        if length is None or len(self._reply) < length:
            return
        self._load.latencies[status_of(self._reply)].append(time.perf_counter() - self._sent_at)
        self._reply = b""
        self.is_waiting = False
        self._load.free.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._load.lost(self)


async def _measured(job: OfferedJob) -> Offered:
    return await OfferedLoad(job).run()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        json.dump(asdict(runner.run(_measured(OfferedJob(**json.load(sys.stdin))))), sys.stdout)

"""Loads one endpoint over keep-alive connections, each with one request in flight; a process of its own.

Reads its job as JSON from standard input, writes what it measured as JSON to standard output. It knows just enough
of HTTP/1.1 to send ready-made requests and to read replies that have a Content-Length, so that it takes little from
the cores that the server needs. The measurement begins once every connection has had its first reply: a server that
answers one at a time then has its full queue. What is in flight at the end is waited for, so that no server works on
while another one is measured.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Job:
    """What to send where.

    Attributes:
        bodies: sent in turns; each connection begins at another one.
        seconds: how long to measure.
        longest_s: when to give up, all in all.
    """

    host: str
    port: int
    path: str
    bodies: list[str]
    concurrency: int
    seconds: float
    longest_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run found.

    Attributes:
        requests_per_s: replies a second, within the measured time.
        p50_ms, p99_ms, mean_ms: of the latency of those replies.
        num_measured, num_sent: replies within the measured time, and all.
        total_s: from the first request to the last reply.
        cpu_s: processor time of the load itself.
    """

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    mean_ms: float
    num_measured: int
    num_sent: int
    total_s: float
    cpu_s: float


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the sorted values lie (nearest rank)."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Load:
    """All connections and what they measured together."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.requests = [self._request(body.encode()) for body in job.bodies]
        self.num_sent = 0
        self._without_reply = job.concurrency
        self._open = job.concurrency
        self._window_began = 0.0
        self._last_reply = 0.0
        self._stopping = False
        self._latencies: list[float] = []

    def _request(self, body: bytes) -> bytes:
        head = (
            f"POST {self.job.path} HTTP/1.1\r\nHost: {self.job.host}:{self.job.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def replied(self, *, is_first: bool, sent_at: float, now: float) -> bool:
        """Count a reply; whether its connection should send another request."""
        if self._without_reply:
            self._without_reply -= is_first
            self._window_began = self._last_reply = now
        elif not self._stopping:
            self._latencies.append(now - sent_at)
            self._last_reply = now
            self._stopping = now - self._window_began >= self.job.seconds
        return not self._stopping

    def closed(self) -> None:
        """One connection has ended as it should."""
        self._open -= 1
        if not self._open and not self.done.done():
            self.done.set_result(None)

    def fail(self, message: str) -> None:
        """End the whole run."""
        if not self.done.done():
            self.done.set_exception(RuntimeError(message))

    def measured(self, total_s: float) -> Measured:
        """The figures of a run that has ended."""
        ordered = sorted(self._latencies)
        return Measured(
            requests_per_s=len(ordered) / (self._last_reply - self._window_began),
            p50_ms=1000 * quantile(ordered, 0.5),
            p99_ms=1000 * quantile(ordered, 0.99),
            mean_ms=1000 * sum(ordered) / len(ordered),
            num_measured=len(ordered),
            num_sent=self.num_sent,
            total_s=total_s,
            cpu_s=time.process_time(),
        )


class Connection(asyncio.Protocol):
    """One connection: send, wait for the whole reply, send the next."""

    def __init__(self, load: Load, number: int) -> None:
        self._load = load
        self._next = number * len(load.requests) // load.job.concurrency
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._sent_at = 0.0
        self._is_first = True
        self._is_done = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        requests = self._load.requests
        self._load.num_sent += 1
        self._sent_at = time.perf_counter()
        self._transport.write(requests[self._next % len(requests)])
        self._next += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _CONTENT_LENGTH.search(self._buffer, 0, end)
        if length is None:
            self._load.fail("a reply has no Content-Length")
            return
        if len(self._buffer) < end + 4 + int(length[1]):
            return
        now = time.perf_counter()
        reply, self._buffer = self._buffer, b""
        if reply[9:12] != b"200":
            self._load.fail(reply.decode(errors="replace"))
            return
        goes_on = self._load.replied(is_first=self._is_first, sent_at=self._sent_at, now=now)
        self._is_first = False
        if goes_on:
            self._send()
            return
        assert self._transport is not None
        self._is_done = True
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_done:
            self._load.closed()
        else:
            self._load.fail(f"the server closed a connection: {exc}")


async def run(job: Job) -> Measured:
    """Load the server.

    Raises:
        RuntimeError: a reply was not 200, or a connection was closed.
        TimeoutError: it took longer than `job.longest_s`.
    """
    load = Load(job)
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    async with asyncio.timeout(job.longest_s):
        for number in range(job.concurrency):
            await loop.create_connection(partial(Connection, load, number), job.host, job.port)
        await load.done
    return load.measured(time.perf_counter() - began)


if __name__ == "__main__":
    json.dump(asdict(asyncio.run(run(Job(**json.load(sys.stdin))))), sys.stdout)

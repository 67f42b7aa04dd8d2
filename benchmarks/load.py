"""Loads servers in a closed loop over keep-alive connections; a process of its own.

Reads its job as JSON from standard input, writes what it measured as JSON to standard output. It knows just enough
of HTTP/1.1 to send ready-made requests and to read replies that have a Content-Length, so that it takes little from
the cores that the servers need. Each client has one request in flight, and sends to all targets in turns. The
measurement begins once every client has had its first reply: a server that answers one at a time then has its full
queue. What is in flight at the end is waited for, so that no server works on while another one is measured.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """What to send to one endpoint.

    Attributes:
        bodies: sent in turns; each client begins at another one.
    """

    port: int
    path: str
    bodies: list[str]


@dataclass(frozen=True, slots=True)
class Job:
    """What to send where.

    Attributes:
        targets: of each client's requests every target gets the same share; each client begins at another one.
        concurrency: number of clients.
        seconds: how long to measure.
        longest_s: when to give up, all in all.
    """

    host: str
    targets: list[Target]
    concurrency: int
    seconds: float
    longest_s: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Of the replies within the measured time; zeros if there were none."""

    num_measured: int
    p50_ms: float
    p99_ms: float
    mean_ms: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run found.

    Attributes:
        requests_per_s: replies a second, within the measured time.
        p50_ms, p99_ms, mean_ms: of the latency of those replies.
        num_measured, num_sent: replies within the measured time, and all.
        total_s: from the first request to the last reply.
        cpu_s: processor time of the load itself.
        targets: latency by target.
    """

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    mean_ms: float
    num_measured: int
    num_sent: int
    total_s: float
    cpu_s: float
    targets: list[Latency]


def job_from(values: Mapping[str, Any]) -> Job:
    """A job that was plain values."""
    return Job(**{**values, "targets": [Target(**target) for target in values["targets"]]})


def measured_from(values: Mapping[str, Any]) -> Measured:
    """Measured figures that were plain values."""
    return Measured(**{**values, "targets": [Latency(**target) for target in values["targets"]]})


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the sorted values lie (nearest rank)."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _latency(seconds: Sequence[float]) -> Latency:
    if not seconds:
        return Latency(0, 0.0, 0.0, 0.0)
    ordered = sorted(seconds)
    mean_s = sum(ordered) / len(ordered)
    return Latency(len(ordered), 1000 * quantile(ordered, 0.5), 1000 * quantile(ordered, 0.99), 1000 * mean_s)


class Load:
    """All clients and what they measured together."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.requests = [[self._request(target, body.encode()) for body in target.bodies] for target in job.targets]
        self.num_sent = 0
        self._without_reply = job.concurrency
        self._open = job.concurrency
        self._window_began = 0.0
        self._last_reply = 0.0
        self._stopping = False
        self._latencies: list[list[float]] = [[] for _ in job.targets]

    def _request(self, target: Target, body: bytes) -> bytes:
        head = (
            f"POST {target.path} HTTP/1.1\r\nHost: {self.job.host}:{target.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def request(self, number: int, count: int) -> tuple[int, bytes]:
        """Which target client `number` asks after `count` requests, and what."""
        target = (number + count) % len(self.requests)
        requests = self.requests[target]
        first = number * len(requests) // self.job.concurrency
        return target, requests[(first + count // len(self.requests)) % len(requests)]

    def replied(self, target: int, *, is_first: bool, sent_at: float, now: float) -> bool:
        """Count a reply; whether its client should send another request."""
        if self._without_reply:
            self._without_reply -= is_first
            self._window_began = self._last_reply = now
        elif not self._stopping:
            self._latencies[target].append(now - sent_at)
            self._last_reply = now
            self._stopping = now - self._window_began >= self.job.seconds
        return not self._stopping

    def ended(self) -> None:
        """One client has had its last reply."""
        self._open -= 1
        if not self._open and not self.done.done():
            self.done.set_result(None)

    def fail(self, message: str) -> None:
        """End the whole run."""
        if not self.done.done():
            self.done.set_exception(RuntimeError(message))

    def measured(self, total_s: float) -> Measured:
        """The figures of a run that has ended."""
        whole = _latency([seconds for own in self._latencies for seconds in own])
        return Measured(
            requests_per_s=whole.num_measured / (self._last_reply - self._window_began),
            **asdict(whole),
            num_sent=self.num_sent,
            total_s=total_s,
            cpu_s=time.process_time(),
            targets=[_latency(own) for own in self._latencies],
        )


class Client:
    """Sends, waits for the whole reply, sends the next; with a connection to each port."""

    def __init__(self, load: Load, number: int) -> None:
        self.load = load
        self._number = number
        self._connections: dict[int, Connection] = {}
        self._count = 0
        self._target = 0
        self._sent_at = 0.0

    async def open(self) -> None:
        """Connect to every port."""
        for port in dict.fromkeys(target.port for target in self.load.job.targets):
            await self._connect(port)

    async def _connect(self, port: int) -> None:
        loop, host = asyncio.get_running_loop(), self.load.job.host
        _, self._connections[port] = await loop.create_connection(partial(Connection, self), host, port)

    async def _send_anew(self, port: int, request: bytes) -> None:
        try:
            await self._connect(port)
        except OSError as error:
            self.load.fail(f"no new connection: {error}")
        else:
            self._connections[port].send(request)

    def send(self) -> None:
        """Send the next request; over a new connection if the server has closed the one that was idle."""
        self._target, request = self.load.request(self._number, self._count)
        self._count += 1
        self.load.num_sent += 1
        self._sent_at = time.perf_counter()
        port = self.load.job.targets[self._target].port
        if self._connections[port].is_open:
            self._connections[port].send(request)
        else:
            self._opening = asyncio.create_task(self._send_anew(port, request))

    def replied(self, reply: bytes) -> None:
        """Take the whole reply."""
        now = time.perf_counter()
        if reply[9:12] != b"200":
            self.load.fail(reply.decode(errors="replace"))
        elif self.load.replied(self._target, is_first=self._count == 1, sent_at=self._sent_at, now=now):
            self.send()
        else:
            self.load.ended()

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections.values():
            connection.close()


class Connection(asyncio.Protocol):
    """One keep-alive connection of a client."""

    def __init__(self, client: Client) -> None:
        self.is_open = False
        self._client = client
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.is_open = True

    def send(self, request: bytes) -> None:
        """Send a request, whose reply the client is told."""
        assert self._transport is not None
        self._is_waiting = True
        self._transport.write(request)

    def close(self) -> None:
        """Close it."""
        assert self._transport is not None
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _CONTENT_LENGTH.search(self._buffer, 0, end)
        if length is None:
            self._client.load.fail("a reply has no Content-Length")
            return
        if len(self._buffer) < end + 4 + int(length[1]):
            return
        reply, self._buffer = self._buffer, b""
        self._is_waiting = False
        self._client.replied(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._is_waiting:
            self._client.load.fail(f"the server closed a connection: {exc}")


async def run(job: Job) -> Measured:
    """Load the servers.

    Raises:
        RuntimeError: a reply was not 200, or a connection was closed before the reply.
        TimeoutError: it took longer than `job.longest_s`.
    """
    load = Load(job)
    clients = [Client(load, number) for number in range(job.concurrency)]
    began = time.perf_counter()
    try:
        async with asyncio.timeout(job.longest_s):
            for client in clients:
                await client.open()
                client.send()
            await load.done
        total_s = time.perf_counter() - began
    finally:
        for client in clients:
            client.close()
        await asyncio.sleep(0)  # in which they are closed
    return load.measured(total_s)


if __name__ == "__main__":
    json.dump(asdict(asyncio.run(run(job_from(json.load(sys.stdin))))), sys.stdout)

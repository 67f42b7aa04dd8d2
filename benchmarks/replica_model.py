"""A model of replicas on paper: ingress, routing, engines that read in batches and write in steps, and what fails.

Each engine goes round as `rondo_services/engine/core.py` does: it reads all that wait, up to what fits a cut, makes a
step for all that are written, and says what it has. How long that takes is looked up by the number of texts or rows.
Knows no clock but that of the simulation.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import simpy

Routing = Literal["two", "least", "random"]
Process = Generator[simpy.Event, None, None]

_MOST = 1024
_BLOCK = 4096
_SLOT_S = 1e-4
"""Requests that come so soon after each other are looked at together, as hundreds do where there are many engines."""

_COMPANY, _PATIENCE_S, _MAX_WAIT_S, _MAX_ROWS, _ENOUGH = 8, 0.015, 0.002, 512, 16
"""The engine's own: `Limits.company`, `Limits.patience_s`, `RONDO_MAX_WAIT_MS`, `Limits.max_rows`, and what
`EngineCore.may_wait_for_company` takes for enough."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one service on one core.

    Attributes:
        read_s: seconds to read so many texts, by their number.
        step_s: seconds of a step for so many rows.
        lengths: steps that a request takes; drawn from. 0: it is only read.
        most_read: texts that fit one cut.
        ingress_s: of the server a request.
        client_s: of the load a request, on the same machine.
    """

    read_s: tuple[float, ...]
    step_s: tuple[float, ...]
    lengths: tuple[int, ...]
    most_read: int
    ingress_s: float
    client_s: float


def by_number(points: Sequence[tuple[int, float]]) -> tuple[float, ...]:
    """Seconds for 0 to 1024, on lines between and beyond what was measured; more never takes less."""
    numbers, measured = map(np.array, zip(*sorted(points), strict=True))
    seconds = np.maximum.accumulate(measured)
    slope = (seconds[-1] - seconds[-2]) / (numbers[-1] - numbers[-2]) if len(numbers) > 1 else 0.0
    wanted = np.arange(_MOST + 1)
    inside = np.interp(wanted, numbers, seconds)
    return tuple(np.where(wanted > numbers[-1], seconds[-1] + slope * (wanted - numbers[-1]), inside).tolist())


class Machine:
    """Processors that share what is to be done: with more busy processes than processors all are slower.

    Args:
        always_busy: processes that are besides, as a load takes a part of one.
    """

    def __init__(self, cores: float, always_busy: float = 0.0) -> None:
        self.num_busy = 0
        self._cores = cores
        self._always_busy = always_busy

    @property
    def slowness(self) -> float:
        """By which what begins now takes longer."""
        return max(1.0, (self.num_busy + self._always_busy) / self._cores)


@dataclass(slots=True)
class Request:
    """One request; `tries` counts the engines that it was sent to."""

    came_at: float
    steps: int
    ended: Callable[["Request"], None]
    tries: int = 1


class Engine:
    """One replica.

    Args:
        tells: whoever asks knows what it sent, and is told after each round; else `seen` is somebody else's to keep.

    Attributes:
        load: requests that it has.
        seen: those of which they know who ask.
    """

    def __init__(self, environment: simpy.Environment, costs: Costs, machine: Machine, *, tells: bool) -> None:
        self.load = 0
        self.seen = 0
        self._tells = tells
        self._environment = environment
        self._costs = costs
        self._machine = machine
        self._waiting: deque[tuple[float, Request]] = deque()
        self._cut: list[Request] = []
        self._rows: list[tuple[int, int, Request]] = []
        self._numbers = itertools.count()
        self._step = 0
        self._last_cut = 0
        self._wake = environment.event()
        self._process = environment.process(self._run())

    def take(self, request: Request) -> None:
        """Let a request wait."""
        self.load += 1
        self.seen += self._tells
        self._waiting.append((self._environment.now, request))
        if not self._wake.triggered:
            self._wake.succeed()

    def fail(self) -> list[Request]:
        """Die; the requests that it had."""
        lost = [*(own for _, own in self._waiting), *self._cut, *(own for *_, own in self._rows)]
        self._waiting.clear()
        self._process.interrupt()
        return lost

    def _run(self) -> Process:
        environment, costs, machine = self._environment, self._costs, self._machine
        try:
            while True:
                if not self._waiting and not self._rows:
                    self._wake = environment.event()
                    yield self._wake
                    longest = environment.timeout(_MAX_WAIT_S)
                    while len(self._waiting) < min(self._last_cut, _ENOUGH) and not longest.processed:
                        self._wake = environment.event()
                        yield self._wake | longest
                machine.num_busy += 1
                if self._is_worth_a_cut():
                    self._take_cut()
                    yield environment.timeout(costs.read_s[len(self._cut)] * machine.slowness)
                    self._have_read()
                if self._rows:
                    yield environment.timeout(costs.step_s[len(self._rows)] * machine.slowness)
                    self._have_stepped()
                machine.num_busy -= 1
                if self._tells:
                    self.seen = self.load
        except simpy.Interrupt:
            machine.num_busy -= machine.num_busy > 0

    def _is_worth_a_cut(self) -> bool:
        if not self._waiting or not self._rows:
            return bool(self._waiting)
        waited_s = self._environment.now - self._waiting[0][0]
        return len(self._waiting) >= _COMPANY or waited_s >= _PATIENCE_S

    def _take_cut(self) -> None:
        room = min(self._costs.most_read, _MAX_ROWS - len(self._rows))
        self._cut = [self._waiting.popleft()[1] for _ in range(min(room, len(self._waiting)))]
        self._last_cut = len(self._cut) or self._last_cut

    def _have_read(self) -> None:
        for request in self._cut:
            if request.steps:
                heapq.heappush(self._rows, (self._step + request.steps, next(self._numbers), request))
            else:
                self._end(request)
        self._cut = []

    def _have_stepped(self) -> None:
        self._step += 1
        while self._rows and self._rows[0][0] <= self._step:
            self._end(heapq.heappop(self._rows)[2])

    def _end(self, request: Request) -> None:
        self.load -= 1
        request.ended(request)


@dataclass(slots=True)
class Outcome:
    """What came of a run: latencies in seconds, and when each reply came."""

    latencies_s: list[float] = field(default_factory=list)
    ended_at: list[float] = field(default_factory=list)
    num_retried: int = 0
    num_failed: int = 0

    def figures(self, begin_s: float, end_s: float) -> dict[str, float]:
        """Of the replies that came in that time."""
        ended, latencies = np.array(self.ended_at), np.array(self.latencies_s)
        own = latencies[(ended >= begin_s) & (ended < end_s)]
        p50, p99 = (1000 * np.quantile(own, (0.5, 0.99))).tolist() if len(own) else (float("nan"), float("nan"))
        return {"requests_per_s": len(own) / (end_s - begin_s), "p50_ms": p50, "p99_ms": p99}


class Cluster:
    """Engines, what is known of them where requests come in, and the requests.

    Args:
        machine: on which all of it runs.
        stale_s: so often many ingresses are told of loads; None: one ingress, which is told after each engine's round.
        has_ingress: requests queue for one server; else there are enough of these.
    """

    def __init__(
        self,
        costs: Costs,
        num_engines: int,
        machine: Machine,
        *,
        routing: Routing = "two",
        stale_s: float | None = None,
        has_ingress: bool = False,
        seed: int = 0,
    ) -> None:
        self.environment = simpy.Environment()
        self.outcome = Outcome()
        self.random = np.random.default_rng(seed)
        self.engines: list[Engine] = []
        self._costs = costs
        self._machine = machine
        self._routing = routing
        self._stale_s = stale_s
        self._has_ingress = has_ingress
        self._ingress_free_at = 0.0
        self._numbers = self._drawn(lambda: self.random.random(_BLOCK))
        self._lengths = self._drawn(lambda: self.random.choice(costs.lengths, _BLOCK))
        self.add_engines(num_engines)
        if stale_s is not None:
            self.environment.process(self._look(stale_s))

    def _drawn(self, block: Callable[[], "np.ndarray[Any, Any]"]) -> Iterator[Any]:
        while True:
            yield from block().tolist()

    def add_engines(self, count: int) -> None:
        """So many more, asked from now on."""
        self.engines += [
            Engine(self.environment, self._costs, self._machine, tells=self._stale_s is None) for _ in range(count)
        ]

    def _look(self, every_s: float) -> Process:
        while True:
            for engine in self.engines:
                engine.seen = engine.load
            yield self.environment.timeout(every_s)

    def offer(self, gaps_s: Iterator[float], until_s: float) -> None:
        """Requests come, with these times between them."""
        self.environment.process(self._offer(gaps_s, until_s))

    def _offer(self, gaps_s: Iterator[float], until_s: float) -> Process:
        came_at = self.environment.now
        for gap_s in gaps_s:
            came_at += gap_s
            if came_at > until_s:
                return
            if came_at > self.environment.now:
                yield self.environment.timeout(max(_SLOT_S, came_at - self.environment.now))
            self.come(self._count, came_at)

    def offer_closed(self, num_clients: int) -> None:
        """Each of so many clients asks again when it has its reply."""

        def ended(request: Request) -> None:
            self._count(request)
            self.environment.process(self._come_at(self._replied_at(), ended))

        for _ in range(num_clients):
            self.come(ended, self.environment.now)

    def _come_at(self, at: float, ended: Callable[[Request], None]) -> Process:
        yield self.environment.timeout(at - self.environment.now)
        self.come(ended, at)

    def come(self, ended: Callable[[Request], None], came_at: float) -> None:
        """A request comes; half of the ingress's work is before the engine, half after it."""
        request = Request(came_at, next(self._lengths), ended)
        if not self._has_ingress:
            self._send(request)
            return
        self.environment.process(self._through_ingress(request))

    def _through_ingress(self, request: Request) -> Process:
        yield self.environment.timeout(self._occupy_ingress() - self.environment.now)
        self._send(request)

    def _occupy_ingress(self) -> float:
        """When the ingress has done half of what it has to do for a request."""
        begins_at = max(self.environment.now, self._ingress_free_at)
        self._ingress_free_at = begins_at + self._costs.ingress_s / 2 * self._machine.slowness
        return self._ingress_free_at

    def _replied_at(self) -> float:
        return self._ingress_free_at if self._has_ingress else self.environment.now

    def _count(self, request: Request) -> None:
        replied_at = self._occupy_ingress() if self._has_ingress else self.environment.now
        self.outcome.latencies_s.append(replied_at - request.came_at)
        self.outcome.ended_at.append(replied_at)

    def _send(self, request: Request) -> None:
        if not self.engines:
            self.outcome.num_failed += 1
            return
        self._chosen().take(request)

    def _chosen(self) -> Engine:
        engines = self.engines
        if self._routing == "least":
            return min(engines, key=lambda engine: engine.seen)
        first = engines[int(next(self._numbers) * len(engines))]
        if self._routing == "random" or len(engines) == 1:
            return first
        while (second := engines[int(next(self._numbers) * len(engines))]) is first:
            pass
        return first if first.seen <= second.seen else second

    def kill(self, count: int) -> None:
        """So many engines die; what they had is asked once more."""
        for _ in range(count):
            engine = self.engines.pop(int(next(self._numbers) * len(self.engines)))
            for request in engine.fail():
                if request.tries == 2:
                    self.outcome.num_failed += 1
                else:
                    request.tries = 2
                    self.outcome.num_retried += 1
                    self._send(request)

    def run(self, until_s: float) -> Outcome:
        """What came of it."""
        self.environment.run(until_s)
        return self.outcome


def poisson(rate_per_s: float, random: np.random.Generator) -> Iterator[float]:
    """Times between requests that know nothing of each other."""
    while True:
        yield from random.exponential(1 / rate_per_s, _BLOCK).tolist()


def bursts(
    rate_per_s: float, random: np.random.Generator, swing: float = 0.6, dwell_s: float = 0.25
) -> Iterator[float]:
    """As `poisson`, but the rate is now higher and now lower by `swing`, each for `dwell_s` on average."""
    since_last_s = 0.0
    for sign in itertools.cycle((1, -1)):
        left_s = random.exponential(dwell_s)
        mean_s = 1 / (rate_per_s * (1 + sign * swing))
        while (gap_s := random.exponential(mean_s)) < left_s:
            yield since_last_s + gap_s
            since_last_s = 0.0
            left_s -= gap_s
        since_last_s += left_s

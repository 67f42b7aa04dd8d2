"""Prometheus metrics of the engine and the HTTP layer. No text, address or key is ever a label."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..engine.observer import EngineObserver
from ..engine.requests import Generated, Result, Ticket
from ..errors import Cancelled, RondoError, TimedOut
from ..timing import RequestTimes, request_times
from .routes import Templates

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_PARTS = ("tokenize", "queue", "inference", "total")


class ServerMetrics(EngineObserver):
    """The engine's observer that fills the metrics; `http` counts replies."""

    def __init__(self) -> None:
        super().__init__()
        self.registry = CollectorRegistry()
        self._waiting = Gauge("rondo_num_requests_waiting", "Requests in the queue", registry=self.registry)
        self._rows = Gauge("rondo_num_rows_running", "Sequences being written", registry=self.registry)
        self._admitted = Counter("rondo_requests_admitted", "Requests taken into the queue", registry=self.registry)
        self._refused = Counter("rondo_requests_refused", "Requests refused: queue full", registry=self.registry)
        self._cancelled = Counter(
            "rondo_requests_cancelled", "Requests whose client left before the answer", registry=self.registry
        )
        self._expired = Counter("rondo_requests_expired", "Requests that passed their deadline", registry=self.registry)
        self._failed = Counter("rondo_requests_failed", "Requests that the engine failed on", registry=self.registry)
        self._finished = Counter(
            "rondo_request_success", "Requests answered by the engine", ["kind"], registry=self.registry
        )
        self._prompt_tokens = Counter("rondo_prompt_tokens", "Tokens read", registry=self.registry)
        self._written_tokens = Counter("rondo_generation_tokens", "Tokens written", registry=self.registry)
        self._batch = Histogram(
            "rondo_encode_batch_requests",
            "Requests in one encoded group",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=self.registry,
        )
        self._batch_tokens = Histogram(
            "rondo_encode_batch_tokens",
            "Tokens in one encoded group",
            buckets=(16, 64, 256, 1024, 4096, 16384),
            registry=self.registry,
        )
        self._cache_hits = Counter(
            "rondo_prefix_cache_hits", "Prompts of which a part was known", registry=self.registry
        )
        self._cached_tokens = Counter(
            "rondo_prefix_cache_tokens", "Tokens that were not read again", registry=self.registry
        )
        self._first_token = Histogram(
            "rondo_time_to_first_token_seconds",
            "Seconds from queue to the first token of a stream",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._token_gap = Histogram(
            "rondo_inter_token_latency_seconds",
            "Seconds between two tokens of a stream",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._part = Histogram(
            "rondo_request_part_seconds",
            "Seconds of an HTTP request by path: tokenize, queue, inference (encoding and decoding), total",
            ["path", "part"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._parts_of: dict[str, tuple[Histogram, ...]] = {}
        self._tick = Counter("rondo_engine_seconds", "Seconds the engine worked", ["part"], registry=self.registry)
        self._queue_time = Histogram(
            "rondo_request_queue_time_seconds",
            "Seconds a request waited",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._latency = Histogram(
            "rondo_e2e_request_latency_seconds",
            "Seconds from queue to answer",
            ["kind"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._restarts = Counter("rondo_engine_restarts", "Engine processes started anew", registry=self.registry)
        self.http = Counter("rondo_http_replies", "HTTP replies", ["path", "status"], registry=self.registry)
        self._replies: dict[tuple[str, int], Counter] = {}

    def of_an_engine(self) -> EngineObserver:
        """For one of several engines, which together are what these metrics tell of."""
        return _OneEngine(self, self._waiting, self._rows)

    def restarted(self) -> None:
        self._restarts.inc()

    def queued(self, waiting: int) -> None:
        self._waiting.set(waiting)

    def refused(self, count: int) -> None:
        self._refused.inc(count)

    def admitted(self, count: int) -> None:
        self._admitted.inc(count)

    def wrote(self, ticket: Ticket, gap_s: float, *, first: bool) -> None:
        (self._first_token if first else self._token_gap).observe(gap_s)

    def cache_used(self, prompts: int, tokens: int) -> None:
        self._cache_hits.inc(prompts)
        self._cached_tokens.inc(tokens)

    def replied(self, path: str, status: int) -> None:
        """An HTTP request gets a reply."""
        counter = self._replies.get((path, status))
        if counter is None:
            counter = self._replies[path, status] = self.http.labels(path, str(status))
        counter.inc()

    def answered(self, path: str, times: RequestTimes, total_s: float) -> None:
        """An HTTP request got its whole reply."""
        if path not in self._parts_of:
            self._parts_of[path] = tuple(self._part.labels(path, part) for part in _PARTS)
        seconds = (times.tokenize_s, times.queue_s, times.inference_s, total_s)
        for part, value in zip(self._parts_of[path], seconds, strict=True):
            part.observe(value)

    def encoded(self, requests: int, tokens: int) -> None:
        self._batch.observe(requests)
        self._batch_tokens.observe(tokens)
        self._prompt_tokens.inc(tokens)

    def ticked(self, encode_s: float, decode_s: float, rows: int) -> None:
        self.worked(encode_s, decode_s)
        self._rows.set(rows)

    def worked(self, encode_s: float, decode_s: float) -> None:
        """An engine spent so long on reading and on writing."""
        self._tick.labels("encode").inc(encode_s)
        self._tick.labels("decode").inc(decode_s)

    def dropped(self, ticket: Ticket, error: RondoError) -> None:
        if ticket.enough:
            self._finished.labels(_kind(ticket)).inc()
        elif isinstance(error, Cancelled):
            self._cancelled.inc()
        elif isinstance(error, TimedOut):
            self._expired.inc()
        else:
            self._failed.inc()

    def finished(self, ticket: Ticket, result: Result, now: float) -> None:
        super().finished(ticket, result, now)
        kind = _kind(ticket)
        self._finished.labels(kind).inc()
        self._queue_time.observe(ticket.started_at - ticket.queued_at)
        self._latency.labels(kind).observe(now - ticket.queued_at)
        if isinstance(result, Generated):
            self._written_tokens.inc(len(result.ids))
        elif isinstance(result, list) and result:
            self._written_tokens.inc(len(result[0].ids))


class _Share:
    """What one engine adds to a gauge."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._value = 0

    def set(self, value: int) -> None:
        self._gauge.inc(value - self._value)
        self._value = value


class _OneEngine(EngineObserver):
    """Counts for all engines together, but has a pace of its own."""

    def __init__(self, whole: ServerMetrics, waiting: Gauge, rows: Gauge) -> None:
        super().__init__()
        self._whole = whole
        self._waiting = _Share(waiting)
        self._rows = _Share(rows)

    def restarted(self) -> None:
        self._whole.restarted()

    def stopped(self) -> None:
        self._waiting.set(0)
        self._rows.set(0)

    def queued(self, waiting: int) -> None:
        self._waiting.set(waiting)

    def refused(self, count: int) -> None:
        self._whole.refused(count)

    def admitted(self, count: int) -> None:
        self._whole.admitted(count)

    def wrote(self, ticket: Ticket, gap_s: float, *, first: bool) -> None:
        self._whole.wrote(ticket, gap_s, first=first)

    def cache_used(self, prompts: int, tokens: int) -> None:
        self._whole.cache_used(prompts, tokens)

    def encoded(self, requests: int, tokens: int) -> None:
        self._whole.encoded(requests, tokens)

    def ticked(self, encode_s: float, decode_s: float, rows: int) -> None:
        self._whole.worked(encode_s, decode_s)
        self._rows.set(rows)

    def dropped(self, ticket: Ticket, error: RondoError) -> None:
        self._whole.dropped(ticket, error)

    def finished(self, ticket: Ticket, result: Result, now: float) -> None:
        super().finished(ticket, result, now)
        self._whole.finished(ticket, result, now)


def _kind(ticket: Ticket) -> str:
    return type(ticket.work).__name__.lower()


class CountReplies:
    """ASGI middleware that counts replies by path and status; all paths that are not served count as "other"."""

    def __init__(self, app: ASGIApp, metrics: ServerMetrics, paths: Templates) -> None:
        self.app = app
        self.metrics = metrics
        self.paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = self.paths.label(scope["path"]) or "other"

        async def counted_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.metrics.replied(path, message["status"])
            await send(message)

        began = time.monotonic()
        await self.app(scope, receive, counted_send)
        if (times := request_times.get()) is not None and times.inference_s:
            self.metrics.answered(path, times, time.monotonic() - began)

"""Spans of requests for an OpenTelemetry collector, if the standard variables of the environment name one.

Spans are made once a request has been answered, from times that are taken anyway. Of what a client has written they
carry its trace's and its request's id: no text, address or key, and no path but those that are served.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..timing import request_times
from .parts import Part, TracedTimes
from .routes import Templates

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

_METHODS = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"))
_REQUEST_ID = "http.response.header.x-request-id"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its reply.

    Attributes:
        route: the path, if it is one that is served.
        service: what is served there.
        headers: of the request.
        request_id: as in the reply; empty if it had none.
        began: second of the monotonic clock; the end is now.
    """

    method: str
    route: str | None
    service: str | None
    headers: Iterable[tuple[bytes, bytes]]
    status: int
    request_id: str
    began: float
    parts: Sequence[Part] = ()


class Telemetry:
    """Makes spans, and hands them to a processor."""

    def __init__(self, processor: "SpanProcessor") -> None:
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        said = Resource.create()  # by the environment
        own = Resource({"service.version": version("rondo-nlp")})
        if str(said.attributes.get(SERVICE_NAME, "unknown_service")).startswith("unknown_service"):
            own = own.merge(Resource({SERVICE_NAME: "rondo"}))
        self._provider = TracerProvider(resource=said.merge(own), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("rondo", version("rondo-nlp"))
        self._propagator = TraceContextTextMapPropagator()

    def record(self, exchange: Exchange) -> None:
        """Make the span of a request that has just been answered, and those of its parts."""
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

        now_ns, now = time.time_ns(), time.monotonic()

        def clock_ns(second: float) -> int:
            return now_ns - round((now - second) * 1e9)

        method = exchange.method if exchange.method in _METHODS else "_OTHER"
        attributes: dict[str, Any] = {
            "http.request.method": method,
            "http.response.status_code": exchange.status,
        }
        if exchange.route is not None:
            attributes["http.route"] = exchange.route
        if exchange.service is not None:
            attributes["rondo.service"] = exchange.service
        if exchange.request_id:
            attributes[_REQUEST_ID] = [exchange.request_id]
        if exchange.status >= 500:
            attributes["error.type"] = str(exchange.status)
        carrier = {"traceparent": dict(exchange.headers).get(b"traceparent", b"").decode("latin-1")}
        span = self._tracer.start_span(
            f"{'HTTP' if method == '_OTHER' else method} {exchange.route or ''}".strip(),
            context=self._propagator.extract(carrier),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=clock_ns(exchange.began),
        )
        if exchange.status >= 500:
            span.set_status(StatusCode.ERROR)
        inside = set_span_in_context(span)
        for part in exchange.parts:
            child = self._tracer.start_span(part.name, context=inside, start_time=clock_ns(part.began))
            child.end(clock_ns(part.ended))
        span.end(now_ns)

    def close(self) -> None:
        """Hand out what has been made so far. Blocks, for seconds if the collector is away."""
        self._provider.shutdown()


class Traced:
    """ASGI middleware around the others that makes a span of each HTTP request.

    Args:
        services: what is served, by path.
    """

    def __init__(self, app: ASGIApp, telemetry: Telemetry, services: Templates) -> None:
        self.app = app
        self._telemetry = telemetry
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.monotonic()
        status = 500  # unless the reply says something else: a fault of a layer is answered further out
        request_id = b""

        async def watched_send(message: Message) -> None:
            nonlocal status, request_id
            if message["type"] == "http.response.start":
                status = message["status"]
                request_id = dict(message.get("headers", ())).get(b"x-request-id", b"")
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        finally:
            times = request_times.get()
            self._telemetry.record(
                Exchange(
                    method=scope["method"],
                    route=self._services.label(scope["path"]),
                    service=self._services.get(scope["path"]),
                    headers=scope["headers"],
                    status=status,
                    request_id=request_id.decode(),
                    began=began,
                    parts=times.parts if isinstance(times, TracedTimes) else (),
                )
            )


def telemetry_of(environment: Mapping[str, str]) -> Telemetry | None:
    """What the standard variables ask for; None if they ask for nothing.

    Raises:
        ValueError: they ask for what there is not, or the packages are not installed.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    endpoint = _first(environment, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    exporter = _first(environment, "OTEL_TRACES_EXPORTER") or ("otlp" if endpoint else "none")
    if exporter == "none":
        return None
    if exporter not in ("otlp", "console"):
        raise ValueError(f"OTEL_TRACES_EXPORTER is {exporter!r}; choose among otlp, console, none")
    protocol = _first(environment, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    if exporter == "otlp" and protocol not in ("", "http/protobuf"):
        raise ValueError(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}; only http/protobuf is there")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
    except ImportError as error:
        raise ValueError(
            "the environment (OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT) asks for traces, "
            "for which packages are missing: pip install 'rondo-nlp[telemetry]'"
        ) from error
    return Telemetry(BatchSpanProcessor(OTLPSpanExporter() if exporter == "otlp" else ConsoleSpanExporter()))


def _first(environment: Mapping[str, str], *names: str) -> str:
    """The first of the variables that is set and not empty; the specification takes empty ones as not set."""
    return next((value for name in names if (value := environment.get(name, "").strip())), "")

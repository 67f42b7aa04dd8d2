"""Spans: one of each request and those of its parts, and nothing in them that a client has written."""

import asyncio
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from rondo_services.engine.scheduler import Limits
from rondo_services.local import LocalSuite
from rondo_services.server.telemetry import Exchange, Telemetry, telemetry_of

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
MakeSuite = Callable[..., LocalSuite]
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TEXT = "The boat on the river is late"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
SERVICES: dict[str, dict[str, Any]] = {
    "sentiment": {"text": TEXT},
    "generate": {"prompt": TEXT, "max_tokens": 4, "temperature": 0},
    "summarize": {"text": TEXT, "max_tokens": 4},
    "translate": {"text": TEXT, "source": "en", "target": "de"},
}


class Collector:
    """Keeps the spans."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.telemetry = Telemetry(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> list[ReadableSpan]:
        """In the order in which they ended."""
        return list(self._exporter.get_finished_spans())

    def server_span(self) -> ReadableSpan:
        """The only one of a whole request."""
        (found,) = [span for span in self.spans if span.kind == SpanKind.SERVER]
        return found


@pytest.fixture
def collector() -> Collector:
    return Collector()


def _ask(
    suite: LocalSuite, connect: Connect, collector: Collector, path: str, method: str = "POST", **options: Any
) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with connect(suite, telemetry=collector.telemetry) as client:
            return await client.request(method, path, **options)

    return asyncio.run(ask())


def _attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def _check_times(parent: ReadableSpan, parts: Iterable[ReadableSpan]) -> None:
    """The parts are the parent's, lie within it and follow one another."""
    assert parent.start_time is not None
    assert parent.end_time is not None
    last = parent.start_time
    for part in parts:
        assert part.parent is not None
        assert part.parent.span_id == parent.context.span_id
        assert part.start_time is not None
        assert part.end_time is not None
        assert last <= part.start_time <= part.end_time <= parent.end_time
        last = part.end_time - 1_000_000  # times are taken by two clocks


def test_a_request_is_a_span_with_its_parts(suite: LocalSuite, connect: Connect, collector: Collector) -> None:
    reply = _ask(suite, connect, collector, "/v1/sentiment", json=SERVICES["sentiment"])
    server = collector.server_span()
    assert server.name == "POST /v1/sentiment"
    assert server.parent is None
    assert server.status.status_code == StatusCode.UNSET
    assert _attributes(server) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/v1/sentiment",
        "rondo.service": "sentiment",
        "http.response.header.x-request-id": (reply.headers["x-request-id"],),
    }
    parts = [span for span in collector.spans if span is not server]
    assert [part.name for part in parts] == ["admission", "tokenize", "queue", "encode"]
    _check_times(server, parts)


@pytest.mark.parametrize("service", ["generate", "summarize", "translate"])
def test_what_is_written_is_read_and_written_in_one_part(
    suite: LocalSuite, connect: Connect, collector: Collector, service: str
) -> None:
    assert _ask(suite, connect, collector, f"/v1/{service}", json=SERVICES[service]).status_code == 200
    server, parts = collector.server_span(), collector.spans[:-1]
    assert [part.name for part in parts] == ["admission", "tokenize", "queue", "inference"]
    _check_times(server, parts)


def test_of_a_stream_reading_and_writing_are_known_apart(
    suite: LocalSuite, connect: Connect, collector: Collector
) -> None:
    body = {**SERVICES["generate"], "max_tokens": 60, "repetition_penalty": 0.01, "stream": True}
    assert _ask(suite, connect, collector, "/v1/generate", json=body).text.endswith("[DONE]\n\n")
    server, parts = collector.server_span(), collector.spans[:-1]
    assert [part.name for part in parts] == ["admission", "tokenize", "queue", "encode", "decode"]
    _check_times(server, parts)


def test_the_clients_trace_goes_on(suite: LocalSuite, connect: Connect, collector: Collector) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=secret"}
    _ask(suite, connect, collector, "/v1/sentiment", json=SERVICES["sentiment"], headers=headers)
    assert len(collector.spans) == 5
    assert {f"{span.context.trace_id:032x}" for span in collector.spans} == {TRACE}
    parent = collector.server_span().parent
    assert parent is not None
    assert f"{parent.span_id:016x}" == PARENT
    assert not parent.trace_state


@pytest.mark.parametrize("header", ["", "00-0-0-01", f"ff-{TRACE}-{PARENT}-01", "secret", "\xe9"])
def test_a_broken_trace_is_begun_anew(suite: LocalSuite, connect: Connect, collector: Collector, header: str) -> None:
    headers = [(b"traceparent", header.encode("latin-1"))]
    _ask(suite, connect, collector, "/health/live", "GET", headers=headers)
    assert collector.server_span().parent is None


def test_a_trace_that_is_not_sampled_stays_so(suite: LocalSuite, connect: Connect, collector: Collector) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
    _ask(suite, connect, collector, "/health/live", "GET", headers=headers)
    assert collector.spans == []


def test_a_refusal_is_a_span(make_suite: MakeSuite, connect: Connect, collector: Collector) -> None:
    suite = make_suite(Limits(max_waiting=1))
    with suite.engine.places(1):
        assert _ask(suite, connect, collector, "/v1/sentiment", json=SERVICES["sentiment"]).status_code == 429
    (span,) = collector.spans
    assert _attributes(span)["http.response.status_code"] == 429
    assert span.status.status_code == StatusCode.UNSET


def test_an_error_of_ours_is_an_error(
    suite: LocalSuite, connect: Connect, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(text: str) -> None:
        raise ZeroDivisionError(text)

    monkeypatch.setattr(suite.sentiment, "work", broken)
    assert _ask(suite, connect, collector, "/v1/sentiment", json=SERVICES["sentiment"]).status_code == 500
    server = collector.server_span()
    assert server.status.status_code == StatusCode.ERROR
    assert _attributes(server)["error.type"] == "500"
    assert not server.events


def test_nothing_that_a_client_has_written_is_in_a_span(
    suite: LocalSuite, connect: Connect, collector: Collector
) -> None:
    """Save its own request id, for which it was asked."""
    secret = "sesame"
    headers = {
        "authorization": f"Bearer {secret}",
        "x-api-key": secret,
        "user-agent": secret,
        "x-forwarded-for": secret,
        "forwarded": f"for={secret}",
        "host": f"{secret}.example",
        "referer": f"https://{secret}.example",
        "cookie": secret,
        "tracestate": f"{secret}={secret}",
        "baggage": f"key={secret}",
        "x-priority": secret,
    }
    for path, method, body in (
        (f"/v1/sentiment?key={secret}", "POST", {"text": secret}),
        ("/v1/sentiment", "POST", {"text": [secret, f"{secret} {secret}"]}),
        ("/v1/sentiment", "POST", {"text": secret, secret: 1}),
        ("/v1/sentiment", "POST", secret),
        ("/v1/generate", "POST", {"prompt": secret, "stop": secret, "state": secret}),
        ("/v1/generate", "POST", {"prompt": secret, "max_tokens": 3, "stream": True}),
        ("/v1/translate", "POST", {"text": secret, "source": secret, "target": "de"}),
        (f"/v1/{secret}", "POST", {}),
        (f"/{secret}?{secret}", "GET", {}),
        ("/v1/models", secret.upper(), {}),
    ):
        own = dict(headers)
        if path == "/v1/generate":
            del own["x-priority"]
        _ask(suite, connect, collector, path, method, json=body, headers=own)
    assert len([span for span in collector.spans if span.kind == SpanKind.SERVER]) == 10
    for span in collector.spans:
        assert secret not in span.to_json().lower()
        assert "127.0.0.1" not in span.to_json()
        for address in ("client.address", "network.peer.address", "server.address", "url.full", "url.query"):
            assert address not in _attributes(span)
    names = {span.name for span in collector.spans if span.kind == SpanKind.SERVER}
    assert names == {"POST /v1/sentiment", "POST /v1/generate", "POST /v1/translate", "POST", "GET", "HTTP /v1/models"}


def test_the_frameworks_own_telemetry_is_off(suite: LocalSuite, connect: Connect, collector: Collector) -> None:
    """It has paths, queries and addresses in its spans."""
    _ask(suite, connect, collector, "/v1/models", "GET")
    assert {span.instrumentation_scope.name for span in collector.spans if span.instrumentation_scope} == {"rondo"}


def test_without_telemetry_no_parts_are_taken_down(
    suite: LocalSuite, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: object) -> None:
        raise AssertionError

    monkeypatch.setattr("rondo_services.server.parts.TracedTimes.add", never)
    monkeypatch.setattr(Telemetry, "record", never)

    async def ask() -> int:
        async with connect(suite) as client:
            return (await client.post("/v1/sentiment", json=SERVICES["sentiment"])).status_code

    assert asyncio.run(ask()) == 200


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {ENDPOINT: ""},
        {"OTEL_TRACES_EXPORTER": "none", ENDPOINT: "http://localhost:4318"},
        {"OTEL_SDK_DISABLED": "True", ENDPOINT: "http://localhost:4318"},
        {"OTEL_SERVICE_NAME": "mine"},
    ],
)
def test_it_is_off_unless_an_exporter_is_asked_for(environment: dict[str, str]) -> None:
    assert telemetry_of(environment) is None


@pytest.mark.parametrize(
    "environment",
    [
        {ENDPOINT: "http://localhost:4318"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318/v1/traces"},
        {"OTEL_TRACES_EXPORTER": "otlp"},
        {"OTEL_TRACES_EXPORTER": "console"},
    ],
)
def test_it_is_on_where_one_is(environment: dict[str, str]) -> None:
    telemetry = telemetry_of(environment)
    assert telemetry is not None
    telemetry.close()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "choose among otlp, console, none"),
        ({ENDPOINT: "http://localhost:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "only http/protobuf"),
    ],
)
def test_what_there_is_not_is_refused(environment: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        telemetry_of(environment)


def test_without_the_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert telemetry_of({}) is None
    with pytest.raises(ValueError, match=r"pip install 'rondo-nlp\[telemetry\]'"):
        telemetry_of({ENDPOINT: "http://localhost:4318"})


@pytest.mark.parametrize(
    ("variables", "name"),
    [({}, "rondo"), ({"OTEL_SERVICE_NAME": "mine"}, "mine"), ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=own"}, "own")],
)
def test_the_service_has_a_name(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], name: str) -> None:
    for variable in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    collector = Collector()
    collector.telemetry.record(Exchange("GET", None, None, [], 200, "", 0.0))
    attributes = collector.server_span().resource.attributes
    assert attributes["service.name"] == name
    assert attributes["service.version"]

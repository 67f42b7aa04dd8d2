"""Spans reach a collector over OTLP, and the server does without the one that is away."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Server(Protocol):
    """What `launch` in conftest.py yields."""

    @property
    def client(self) -> httpx.Client: ...


Launch = Callable[..., AbstractContextManager[Server]]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Spans that come to a collector which the environment names."""
    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            content = self.rfile.read(int(self.headers["content-length"]))
            for resource in ExportTraceServiceRequest.FromString(content).resource_spans:
                for scope in resource.scope_spans:
                    spans.extend(scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{listening.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield spans
        listening.shutdown()


def test_spans_reach_the_collector_before_the_server_ends(launch: Launch, collector: list[Any]) -> None:
    with launch("--services", "sentiment,generation") as server:
        headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "X-Request-Id": "mine-1"}
        reply = server.client.post("/v1/sentiment", json={"text": "A good film."}, headers=headers)
        assert reply.status_code == 200
        server.client.post("/v1/generate", json={"prompt": "The film", "max_tokens": 4, "stream": True})
    ours = [span for span in collector if span.trace_id.hex() == TRACE]
    assert [span.name for span in ours] == ["admission", "tokenize", "queue", "encode", "POST /v1/sentiment"]
    server_span = ours[-1]
    ids = [one.value.array_value for one in server_span.attributes if one.key == "http.response.header.x-request-id"]
    assert [value.string_value for value in ids[0].values] == ["mine-1"]
    milliseconds = (server_span.end_time_unix_nano - server_span.start_time_unix_nano) / 1e6
    assert milliseconds >= float(reply.headers["x-total-time"]) - 1
    assert "POST /v1/generate" in {span.name for span in collector}


def test_a_collector_that_is_away_changes_nothing(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with launch("--services", "sentiment") as server:
        assert server.client.post("/v1/sentiment", json={"text": "A good film."}).status_code == 200


def test_what_cannot_be_exported_is_said_at_the_start(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    with pytest.raises(AssertionError, match="ended before it was ready"), launch():
        pass

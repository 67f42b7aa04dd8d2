"""Metrics of whether the server can answer: readiness, room in the queue, memory and CPU of its two processes."""

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.process_collector import ProcessCollector

from ..engine.client import EngineClient
from ..engine.port import EnginePort


def add_vitals(registry: CollectorRegistry, engine: EnginePort) -> None:
    """Read them whenever the registry is asked. An engine without a process has none of its own."""
    ready = Gauge("rondo_ready", "1 if requests will be answered, as /health/ready says, else 0", registry=registry)
    ready.set_function(lambda: float(engine.is_alive))
    room = Gauge("rondo_max_requests_waiting", "Requests that may wait; more are refused", registry=registry)
    room.set(engine.limits.max_waiting)
    ProcessCollector(registry=registry)
    if isinstance(engine, EngineClient):
        ProcessCollector("rondo_engine", pid=lambda: engine.pid or "none", registry=registry)

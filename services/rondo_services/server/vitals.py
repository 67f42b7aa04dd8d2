"""Metrics of whether the server can answer: readiness, room in the queues, memory and CPU of its processes."""

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.process_collector import ProcessCollector

from ..engine.client import EngineClient
from ..releases.fleet import Fleet


def add_vitals(registry: CollectorRegistry, fleet: Fleet) -> None:
    """Read them whenever the registry is asked. An engine without a process has none of its own."""

    def room_now() -> float:
        return float(sum(slot.current.suite.engine.limits.max_waiting for slot in fleet.slots.values()))

    def engine_pid() -> int | str:
        engine = fleet.default.current.suite.engine
        return (engine.pid if isinstance(engine, EngineClient) else None) or "none"

    ready = Gauge("rondo_ready", "1 if requests will be answered, as /health/ready says, else 0", registry=registry)
    ready.set_function(lambda: float(fleet.is_alive))
    room = Gauge("rondo_max_requests_waiting", "Requests that may wait; more are refused", registry=registry)
    room.set_function(room_now)
    ProcessCollector(registry=registry)
    ProcessCollector("rondo_engine", pid=engine_pid, registry=registry)

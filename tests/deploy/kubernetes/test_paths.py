"""What the manifests ask servers for is there: paths of probes, of Prometheus and of the Ingress, and the metrics."""

import re
from collections.abc import Callable

import pytest
import yaml
from tests.deploy.kubernetes.conftest import Served
from tests.deploy.kubernetes.manifests import FOLDER, Workload, called, of_kind, servers

SERVICES = ("sentiment", "generation", "summarization", "translation")
OF_ONE_REPLICA = re.compile(
    r"/metrics|/health/.*|/v2(/health/.*|/models/stats|/repository/.*)?|/v1/models.*|/v1/(bundles|jobs|files|batches).*"
)
"""Paths that the Ingress of the overlay per-service leaves out; overlays/per-service/ingress.yaml says why."""

Ask = Callable[..., Served]


@pytest.mark.parametrize("server", servers(), ids=lambda server: f"{server.overlay}-{server.name}")
def test_probes_ask_for_paths_that_are_there(server: Workload, served: Ask) -> None:
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert server.container[probe]["httpGet"]["path"] == "/health/ready"
    assert "/health/ready" in served()


def test_kserve_asks_for_paths_that_are_there(served: Ask) -> None:
    (runtime,) = of_kind("kserve", "ServingRuntime")
    for probe in ("readinessProbe", "livenessProbe"):
        assert runtime["spec"]["containers"][0][probe]["httpGet"]["path"] in served()
    assert runtime["spec"]["annotations"]["prometheus.kserve.io/path"] in served()


def test_prometheus_and_the_autoscaler_ask_for_what_is_there(served: Ask) -> None:
    (monitor,) = of_kind("monitored", "ServiceMonitor")
    assert monitor["spec"]["endpoints"][0]["path"] in served()
    first, second = called("monitored", "HorizontalPodAutoscaler", "rondo")["spec"]["metrics"]
    assert first["type"] == "Pods"
    assert first["pods"]["metric"]["name"] in served().metrics
    assert int(first["pods"]["target"]["averageValue"]) > 0
    assert second["resource"]["name"] == "cpu"


def test_the_adapter_gives_the_autoscaler_its_metric(served: Ask) -> None:
    values = yaml.safe_load((FOLDER / "components" / "monitoring" / "prometheus-adapter-values.yaml").read_text())
    (rule,) = values["rules"]["custom"]
    series = rule["seriesQuery"].partition("{")[0]
    assert series in served().metrics
    assert re.fullmatch(rule["name"]["matches"], series)
    autoscaler = called("monitored", "HorizontalPodAutoscaler", "rondo")
    assert rule["name"]["as"] == autoscaler["spec"]["metrics"][0]["pods"]["metric"]["name"]
    assert rule["resources"]["overrides"].keys() == {"namespace", "pod"}


def _routes() -> list[tuple[str, str, str]]:
    """Path, kind and the Service behind it."""
    (ingress,) = of_kind("per-service", "Ingress")
    (rule,) = ingress["spec"]["rules"]
    return [(path["path"], path["pathType"], path["backend"]["service"]["name"]) for path in rule["http"]["paths"]]


def _routed(path: str) -> str | None:
    """The service that the Ingress sends a path to: exact ones first, then the longest that is a start of it."""
    found = [
        (kind == "Exact", len(own), backend)
        for own, kind, backend in _routes()
        if path == own or (kind == "Prefix" and path.startswith(f"{own}/"))
    ]
    return max(found)[2].removeprefix("rondo-") if found else None


def test_the_ingress_sends_paths_where_they_are_served(served: Ask) -> None:
    for path, kind, backend in _routes():
        service = called("per-service", "Service", backend)
        assert service["spec"]["ports"][0]["name"] == "http"
        own = path if kind == "Exact" or path in served() else f"{path}/x"
        assert own in served(backend.removeprefix("rondo-")), path


def test_no_path_of_a_service_is_forgotten(served: Ask) -> None:
    wanted = [path for path in served().paths if not OF_ONE_REPLICA.fullmatch(path)]
    assert len(wanted) > 30
    for path in wanted:
        for name in SERVICES if "{model}" in path else ("",):
            asked = re.sub(r"\{[^}]+\}", "x", path.replace("{model}", name))
            service = _routed(asked)
            assert service is not None, f"{asked} is sent nowhere"
            assert asked in served(service), f"{service} does not serve {asked}"
            assert not name or service == name

"""The manifests fit the program: its settings, its command line, its paths, its metrics, and how it starts and ends."""

import os
import re
from functools import cache
from typing import Any

import pytest
import typer.main
import yaml
from fastapi import FastAPI
from prometheus_client import generate_latest
from starlette.routing import Match, Route
from tests.deploy.kubernetes.manifests import FOLDER, Workload, called, of_kind, servers, workloads

from rondo_models.manifest import read_contents
from rondo_services.cli import app as commands
from rondo_services.engine.client import EngineClient
from rondo_services.server.app import create_app
from rondo_services.server.metrics import ServerMetrics
from rondo_services.server.run import asked_services, worker_options
from rondo_services.server.settings import ServerSettings
from rondo_services.suite import entrance_of, services_of, suite_over

SECRETS = {
    "rondo": {"state-key": "0123456789abcdef"},
    "rondo-jobs": {
        "RONDO_DATABASE_URL": "postgresql://rondo:secret@db/rondo",
        "AWS_ACCESS_KEY_ID": "rondo",
        "AWS_SECRET_ACCESS_KEY": "secret",
    },
}
OF_ONE_REPLICA = re.compile(
    r"/metrics|/health/.*|/v2(/health/.*|/models/stats|/repository/.*)?|/v1/models.*|/models/\{model:path\}"
    r"|/docs.*|/redoc|/openapi\.json|/v1/(jobs|files|batches).*"
)
"""Paths that the Ingress of the overlay per-service leaves out; overlays/per-service/ingress.yaml says why."""

SERVICES = ("sentiment", "generation", "summarization", "translation")
by_workload = pytest.mark.parametrize(
    "workload", workloads(), ids=lambda workload: f"{workload.overlay}-{workload.name}"
)
by_server = pytest.mark.parametrize("server", servers(), ids=lambda server: f"{server.overlay}-{server.name}")


def _settings(environment: dict[str, str]) -> ServerSettings:
    """What a process makes of these variables, and of no others."""
    with pytest.MonkeyPatch.context() as variables:
        for name in os.environ:
            if name.startswith("RONDO_"):
                variables.delenv(name)
        for name, value in environment.items():
            variables.setenv(name, value)
        return ServerSettings()


@cache
def _app(services: str = "") -> FastAPI:
    """As it is served, with an engine that was never started."""
    settings, metrics = ServerSettings(services=services), ServerMetrics()
    options = worker_options(settings)
    contents = read_contents(options.bundle)
    tokenizer, wanted = services_of(contents, asked_services(settings), str(options.bundle))
    engine = EngineClient(options, entrance_of(contents, options.limits, metrics), metrics)
    return create_app(suite_over(engine, contents, tokenizer, wanted), settings, metrics)


def _serves(app: FastAPI, path: str) -> bool:
    """Whether a route has this path, besides those that say of any model that there is none."""
    scope = {"type": "http", "path": path, "method": "POST", "root_path": "", "headers": []}
    return any(
        isinstance(route, Route) and route.path != "/models/{model:path}" and route.matches(scope)[0] is not Match.NONE
        for route in app.routes
    )


@by_workload
def test_variables_are_settings_with_values_that_hold(workload: Workload) -> None:
    environment = workload.environment(SECRETS)
    ours = {name.removeprefix("RONDO_").lower() for name in environment if name.startswith("RONDO_")}
    assert ours <= ServerSettings.model_fields.keys()
    settings = _settings(environment)
    assert str(settings.state_dir) in [mount["mountPath"] for mount in workload.container["volumeMounts"]]


def test_variables_of_kserve_are_settings_with_values_that_hold() -> None:
    (container,) = of_kind("kserve", "ServingRuntime")[0]["spec"]["containers"]
    environment = {variable["name"]: variable.get("value", "0123456789abcdef") for variable in container["env"]}
    assert {name.removeprefix("RONDO_").lower() for name in environment} <= ServerSettings.model_fields.keys()
    settings = _settings(environment)
    assert str(settings.bundle) == "/mnt/models"
    assert settings.opened == ["metrics"]
    for probe in ("readinessProbe", "livenessProbe"):
        assert _serves(_app(), container[probe]["httpGet"]["path"])
    assert _serves(_app(), of_kind("kserve", "ServingRuntime")[0]["spec"]["annotations"]["prometheus.kserve.io/path"])


@by_workload
def test_arguments_are_those_of_the_command(workload: Workload) -> None:
    name, *arguments = workload.container["args"]
    command = typer.main.get_command(commands).commands[name]  # type: ignore[attr-defined]
    given = command.make_context(name, arguments).params
    if workload.is_server:
        assert (given["host"], given["port"]) == ("0.0.0.0", 8000)


@by_server
def test_probes_ask_for_paths_that_are_there(server: Workload) -> None:
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert server.container[probe]["httpGet"]["path"] == "/health/ready"
    assert _serves(_app(), "/health/ready")


def _lasts_s(probe: dict[str, Any]) -> int:
    return int(probe["failureThreshold"]) * int(probe["periodSeconds"])


@by_server
def test_probes_leave_time_to_start_and_to_start_anew(server: Workload) -> None:
    settings = _settings(server.environment(SECRETS))
    assert _lasts_s(server.container["startupProbe"]) >= settings.start_timeout_s + 30
    assert _lasts_s(server.container["livenessProbe"]) >= settings.hang_s + settings.start_timeout_s + 30


@by_server
def test_a_pod_ends_after_the_last_request_that_it_took(server: Workload) -> None:
    settings = _settings(server.environment(SECRETS))
    assert settings.grace_s >= settings.timeout_s
    program, pause_s = server.container["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "/bin/sleep"
    for_replies_and_engine_s = 2 * settings.grace_s
    assert server.pod["terminationGracePeriodSeconds"] >= int(pause_s) + for_replies_and_engine_s + 10


@by_server
def test_files_have_room_in_the_volume(server: Workload) -> None:
    settings = _settings(server.environment(SECRETS))
    (volume,) = [volume["emptyDir"] for volume in server.pod["volumes"] if volume["name"] == "state"]
    translated_files = 1_000_000_000
    room = int(volume["sizeLimit"].removesuffix("Gi")) << 30
    assert settings.max_file_bytes < settings.max_owner_bytes < settings.max_files_bytes
    assert 2 * settings.max_files_bytes + translated_files < room  # outputs are written even when all is used up


@by_server
def test_threads_leave_a_processor_for_http(server: Workload) -> None:
    settings = _settings(server.environment(SECRETS))
    assert settings.threads == int(server.container["resources"]["limits"]["cpu"]) - 1


def test_servers_leave_jobs_to_workers_that_find_them() -> None:
    server, worker = workloads("with-workers")
    places = [
        _settings(workload.environment(SECRETS)).model_dump(include={"database_url", "files_url"})
        for workload in (server, worker)
    ]
    assert places[0] == places[1]
    assert all(places[0].values())
    assert server.environment(SECRETS)["RONDO_JOBS"] == "off"


def _metrics() -> set[str]:
    lines = generate_latest(ServerMetrics().registry).decode().splitlines()
    return {line.split()[2] for line in lines if line.startswith("# TYPE ")}


def test_the_autoscaler_asks_for_a_metric_that_there_is_and_then_for_the_processor() -> None:
    first, second = called("monitored", "HorizontalPodAutoscaler", "rondo")["spec"]["metrics"]
    assert first["type"] == "Pods"
    assert first["pods"]["metric"]["name"] in _metrics()
    assert int(first["pods"]["target"]["averageValue"]) > 0
    assert second["resource"]["name"] == "cpu"


def test_the_adapter_gives_the_autoscaler_its_metric() -> None:
    values = yaml.safe_load((FOLDER / "components" / "monitoring" / "prometheus-adapter-values.yaml").read_text())
    (rule,) = values["rules"]["custom"]
    series = rule["seriesQuery"].partition("{")[0]
    assert series in _metrics()
    assert re.fullmatch(rule["name"]["matches"], series)
    autoscaler = called("monitored", "HorizontalPodAutoscaler", "rondo")
    assert rule["name"]["as"] == autoscaler["spec"]["metrics"][0]["pods"]["metric"]["name"]
    assert rule["resources"]["overrides"].keys() == {"namespace", "pod"}


def test_prometheus_needs_no_key_where_it_is_to_read() -> None:
    for overlay in ("single", "monitored"):
        (server,) = workloads(overlay)
        opened = _settings(server.environment(SECRETS)).opened
        assert opened == (["metrics"] if overlay == "monitored" else [])
    (monitor,) = of_kind("monitored", "ServiceMonitor")
    assert _serves(_app(), monitor["spec"]["endpoints"][0]["path"])


def test_each_service_has_a_deployment() -> None:
    found = {server.name: server.environment(SECRETS)["RONDO_SERVICES"] for server in workloads("per-service")}
    assert found == {f"rondo-{name}": name for name in SERVICES}


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


def test_the_ingress_sends_paths_where_they_are_served() -> None:
    for path, kind, backend in _routes():
        service = called("per-service", "Service", backend)
        assert service["spec"]["ports"][0]["name"] == "http"
        own = path if kind == "Exact" or _serves(_app(), path) else f"{path}/x"
        assert _serves(_app(backend.removeprefix("rondo-")), own), path


def test_no_path_of_a_service_is_forgotten() -> None:
    paths = {route.path for route in _app().routes if isinstance(route, Route)}
    wanted = [path for path in paths if not OF_ONE_REPLICA.fullmatch(path)]
    assert len(wanted) > 30
    for path in wanted:
        for name in SERVICES if "{model}" in path else ("",):
            asked = re.sub(r"\{[^}]+\}", "x", path.replace("{model}", name))
            service = _routed(asked)
            assert service is not None, f"{asked} is sent nowhere"
            assert _serves(_app(service), asked), f"{service} does not serve {asked}"
            assert not name or service == name

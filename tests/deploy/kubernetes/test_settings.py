"""The manifests fit the program: its settings, its command line, and how it starts and ends."""

import os
from typing import Any

import pytest
import typer.main
from tests.deploy.kubernetes.manifests import Workload, of_kind, servers, workloads

from rondo_services.cli import app as commands
from rondo_services.server.settings import ServerSettings

SECRETS = {
    "rondo": {"state-key": "0123456789abcdef"},
    "rondo-jobs": {
        "RONDO_DATABASE_URL": "postgresql://rondo:secret@db/rondo",
        "AWS_ACCESS_KEY_ID": "rondo",
        "AWS_SECRET_ACCESS_KEY": "secret",
    },
}
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


@by_workload
def test_arguments_are_those_of_the_command(workload: Workload) -> None:
    name, *arguments = workload.container["args"]
    command = typer.main.get_command(commands).commands[name]  # type: ignore[attr-defined]
    given = command.make_context(name, arguments).params
    if workload.is_server:
        assert (given["host"], given["port"]) == ("0.0.0.0", 8000)


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


def test_prometheus_needs_no_key_where_it_is_to_read() -> None:
    for overlay in ("single", "monitored"):
        (server,) = workloads(overlay)
        opened = _settings(server.environment(SECRETS)).opened
        assert opened == (["metrics"] if overlay == "monitored" else [])


def test_each_service_has_a_deployment() -> None:
    found = {server.name: server.environment(SECRETS)["RONDO_SERVICES"] for server in workloads("per-service")}
    assert found == {f"rondo-{name}": name for name in SERVICES}

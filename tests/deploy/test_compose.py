"""compose.yaml: its files are there, its secrets are drawn, and its parts fit together."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url

from rondo_services.server.configuration import read_configuration

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A folder of new secrets."""
    shutil.copy(DEPLOY / "new-secrets.sh", tmp_path)
    subprocess.run([tmp_path / "new-secrets.sh"], check=True, capture_output=True)
    return tmp_path / "secrets"


def test_every_secret_is_drawn_and_no_other(compose: dict[str, Any], secrets: Path) -> None:
    files = {Path(secret["file"]).name for secret in compose["secrets"].values()}
    assert {path.name for path in secrets.iterdir()} == files
    assert secrets.stat().st_mode & 0o777 == 0o700
    used = {name for service in compose["services"].values() for name in service.get("secrets", ())}
    assert used == set(compose["secrets"])


def test_server_worker_and_database_have_the_same_password(compose: dict[str, Any], secrets: Path) -> None:
    settings = read_configuration(config=secrets / "rondo.toml").settings
    url = make_url(settings.database_url)
    of_database = compose["services"]["postgres"]["environment"]
    assert url.password == (secrets / "postgres_password").read_text()
    assert len(url.password) == 48
    assert (url.username, url.database) == (of_database["POSTGRES_USER"], of_database["POSTGRES_DB"])
    assert url.host == "postgres"
    assert settings.jobs == "off"
    assert settings.opened == ["metrics"]


def test_secrets_that_are_there_stay(secrets: Path) -> None:
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    subprocess.run([secrets.parent / "new-secrets.sh"], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before


def test_secrets_stay_out_of_the_repository() -> None:
    assert "/deploy/secrets/" in (DEPLOY.parent / ".gitignore").read_text().splitlines()


def test_every_mounted_file_is_there(compose: dict[str, Any]) -> None:
    mounts = [volume for service in compose["services"].values() for volume in service.get("volumes", ())]
    sources = [mount.split(":")[0] for mount in mounts]
    for source in sources:
        if source.startswith("."):
            assert (DEPLOY / source).exists(), source
    assert {source for source in sources if not source.startswith(".")} == set(compose["volumes"])


def test_every_service_is_limited_checked_and_started_again(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["restart"] == "unless-stopped", name
        assert service["mem_limit"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert name == "server" or service["healthcheck"]["test"], name  # the image has the server's


def test_what_is_published_is_for_this_machine_only(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert published
    assert all(":-127.0.0.1:" in port for port in published)


def test_database_and_worker_reach_nothing_outside(compose: dict[str, Any]) -> None:
    for name in ("postgres", "worker", "prometheus"):
        assert all(compose["networks"][network]["internal"] for network in compose["services"][name]["networks"])


def test_prometheus_looks_where_the_server_is(compose: dict[str, Any]) -> None:
    settings = yaml.safe_load((DEPLOY / "monitoring" / "prometheus.yml").read_text())
    target = settings["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target == ["server:8000"]
    networks = compose["services"]
    assert set(networks["server"]["networks"]) & set(networks["prometheus"]["networks"])
    assert set(networks["grafana"]["networks"]) & set(networks["prometheus"]["networks"])


def test_grafana_finds_the_dashboards_where_they_are_mounted(compose: dict[str, Any]) -> None:
    grafana = compose["services"]["grafana"]
    mounted = {volume.split(":")[1]: DEPLOY / volume.split(":")[0] for volume in grafana["volumes"] if volume[0] == "."}
    provider = yaml.safe_load((mounted["/etc/grafana/provisioning"] / "dashboards" / "rondo.yml").read_text())
    folder = provider["providers"][0]["options"]["path"]
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == folder
    assert (mounted[folder] / home.name).is_file()

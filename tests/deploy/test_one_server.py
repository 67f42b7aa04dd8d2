"""systemd's unit and nginx's file: they are whole, and agree with the settings, the commands and the guide."""

import re
import shutil
import sqlite3
import subprocess
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
import typer
from tests.certificates import new_certificate
from typer.core import TyperGroup

from rondo_services.cli import app
from rondo_services.server.configuration import read_configuration
from rondo_services.server.settings import ServerSettings

pytestmark = pytest.mark.usefixtures("without_variables")

ROOT = Path(__file__).parents[2]
UNIT = (ROOT / "deploy" / "rondo.service").read_text(encoding="utf-8")
NGINX = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
_FIRST_PORT, _SECOND_PORT = 8000, 8001


def _of_unit(name: str, unit: str = UNIT) -> str:
    [value] = re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)
    return str(value)


def _served(unit: str) -> dict[str, object]:
    """The flags of `rondo serve` in a unit."""
    program, command, *flags = _of_unit("ExecStart", unit).split()
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    assert (program, command) == ("/opt/rondo/.venv/bin/rondo", "serve")
    return root.commands["serve"].make_context("serve", flags).params


def test_the_unit_serves_what_the_guide_sets_up() -> None:
    config = _served(UNIT)["config"]
    assert f"install -D -m 0640 -g {_of_unit('User')} /opt/rondo/deploy/rondo.example.toml {config}\n" in GUIDE
    assert f"useradd --system --home-dir {_of_unit('WorkingDirectory')} " in GUIDE
    assert f"/var/lib/{_of_unit('StateDirectory')}" == _of_unit("WorkingDirectory")


def test_the_settings_of_the_guide_can_be(tmp_path: Path) -> None:
    [first] = re.findall(r"<<END\n(.*?)\nEND\n", GUIDE, re.DOTALL)
    [behind_a_proxy] = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    whole = tmp_path / "rondo.toml"
    example = (ROOT / "deploy" / "rondo.example.toml").read_text(encoding="utf-8")
    whole.write_text(f"{example}{first}\n{behind_a_proxy}", encoding="utf-8")
    settings = read_configuration(config=whole).settings
    assert settings.state_dir == Path(_of_unit("WorkingDirectory"))
    assert (settings.require_key, settings.proxy_headers) == ("always", True)
    assert (settings.host, settings.port) == ("127.0.0.1", _FIRST_PORT)


def test_the_second_server_is_the_same_at_another_port() -> None:
    [expression] = re.findall(r"^sed '([^']*)' /opt/rondo/deploy/rondo\.service > ", GUIDE, re.MULTILINE)
    second = subprocess.run(["sed", expression], input=UNIT, capture_output=True, text=True, check=True).stdout
    assert _served(second) == {**_served(UNIT), "port": _SECOND_PORT}


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="there is no sqlite3 here")
@pytest.mark.parametrize("there", [[], ["keys.json"], ["jobs/files/one"], ["keys.json", "jobs/files/one"]])
def test_the_backup_takes_what_is_there(tmp_path: Path, there: list[str]) -> None:
    """Where nobody had made a key yet it failed."""
    [script] = re.findall(r"^runuser -u rondo -- sh -ec '(.*?)'\n", GUIDE, re.DOTALL | re.MULTILINE)
    state, backup = tmp_path / "state", tmp_path / "backup"
    for name in there:
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).write_text(name)
    for folder in (state, backup):
        folder.mkdir(exist_ok=True)
    with closing(sqlite3.connect(state / "usage.sqlite3")) as usage, usage:
        usage.execute("create table used (count)")
    here = script.replace("/var/lib/rondo", str(state)).replace("/var/backups/rondo", str(backup))
    ended = subprocess.run(["sh", "-ec", here], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    with closing(sqlite3.connect(backup / "usage.sqlite3")) as usage:
        assert usage.execute("select name from sqlite_master").fetchall() == [("used",)]
    with tarfile.open(backup / "files.tar") as archive:
        assert sorted(member.name.removeprefix("./") for member in archive if member.isfile()) == sorted(there)


def test_there_is_time_to_end() -> None:
    assert int(_of_unit("TimeoutStopSec")) > 2 * ServerSettings.model_fields["grace_s"].default


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "rondo.service"
    unit.write_text(UNIT.replace("/opt/rondo/.venv/bin/rondo", "/bin/true"), encoding="utf-8")
    ended = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_nginx_asks_both_servers_and_lets_through_what_they_take() -> None:
    assert re.findall(r"server 127\.0\.0\.1:(\d+)", NGINX) == [str(_FIRST_PORT), str(_SECOND_PORT)]
    defaults = {name: field.default for name, field in ServerSettings.model_fields.items()}
    [megabytes] = re.findall(r"client_max_body_size (\d+)m;", NGINX)
    assert int(megabytes) * 2**20 >= defaults["max_file_bytes"]
    assert {float(seconds) for seconds in re.findall(r"proxy_read_timeout (\d+)s;", NGINX)} == {
        defaults["file_timeout_s"]
    }


@pytest.mark.skipif(shutil.which("nginx") is None, reason="there is no nginx here")
def test_nginx_understands_its_file(tmp_path: Path) -> None:
    own = new_certificate(tmp_path)
    site = NGINX.replace("/etc/rondo/tls/fullchain.pem", str(own.chain))
    site = site.replace("/etc/rondo/tls/privkey.pem", str(own.key))
    whole = tmp_path / "nginx.conf"
    whole.write_text(f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{site}}}\n", encoding="utf-8")
    ended = subprocess.run(["nginx", "-t", "-c", whole], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr

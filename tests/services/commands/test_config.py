"""`rondo config show`, and the flags that it shares with `rondo serve`."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rondo_services.cli import app
from rondo_services.server import run
from rondo_services.server.configuration import without_secrets
from rondo_services.server.settings import ServerSettings

pytestmark = pytest.mark.usefixtures("without_variables")


def _run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_the_table_tells_value_and_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text("port = 9100\n")
    monkeypatch.setenv("RONDO_PORT", "9200")
    monkeypatch.setenv("RONDO_THREADS", "2")
    status, shown, _ = _run("config", "show", "--config", str(file), "--insecure", "--set", "max_waiting=7")
    assert status == 0
    rows = {row.split()[0]: " ".join(row.split()[1:]) for row in shown.splitlines()}
    assert rows["port"] == f"9100 file {file}, over environment RONDO_PORT"
    assert rows["threads"] == "2 environment RONDO_THREADS"
    assert rows["require_key"] == "never flag"
    assert rows["max_waiting"] == "7 flag"
    assert rows["proxy_headers"] == "false default"
    assert set(rows) == {"name", *ServerSettings.model_fields}


def test_as_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RONDO_DATA", "/data")
    status, shown, _ = _run("config", "show", "--json", "--port", "9")
    found = json.loads(shown)
    assert status == 0
    assert found["port"] == {"value": 9, "source": "flag", "overrides": []}
    assert found["data"] == {"value": "/data", "source": "environment RONDO_DATA", "overrides": []}
    assert found["ssl_certfile"] == {"value": None, "source": "default", "overrides": []}


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch, form: tuple[str, ...]) -> None:
    monkeypatch.setenv("RONDO_STATE_KEY", "hush-1")
    monkeypatch.setenv("RONDO_DATABASE_URL", "postgresql://rondo:hush-2@db/rondo?sslpassword=hush-3")
    status, shown, _ = _run("config", "show", "--ssl-keyfile-password", "hush-4", *form)
    assert status == 0
    assert "hush" not in shown
    assert "postgresql://rondo:**********@db/rondo?sslpassword=**********" in shown
    assert shown.count("**********") == 4


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", ""),
        ("s3://bucket/folder", "s3://bucket/folder"),
        ("postgresql://rondo@db:5432/rondo?application_name=a%20b", None),
        ("postgresql://u:p:q@h/x", "postgresql://u:**********@h/x"),
        ("postgresql://u:p/q@h/x", "postgresql://u:**********@h/x"),
        ("postgresql://u:p@[q@h/x?a=b", "postgresql://u:**********@h/x?a=b"),
        ("postgresql://:p@h/x", "postgresql://:**********@h/x"),
        ("postgresql://h/x?user=u&sslPassword=p&a=b", "postgresql://h/x?user=u&sslPassword=**********&a=b"),
    ],
)
def test_urls_without_secrets(url: str, shown: str | None) -> None:
    assert without_secrets(url) == (url if shown is None else shown)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "threads"], "--set threads: expected NAME=VALUE"),
        (["--set", "threads=1", "--set", "threads=2"], "--set threads=2: threads is given twice"),
        (["--port", "1", "--set", "port=2"], "--set port=2: port is given twice"),
        (["--set", "thread=1"], "flags: thread is no setting; did you mean threads"),
        (["--port", "70000"], "flag: port: input should be less than or equal to 65535, not 70000"),
        (["--config", "/of/nobody"], "/of/nobody is no file"),
        (["--bundle", "a", "--bundle", "b"], "--bundle b: further bundles are given as NAME=FOLDER"),
        (["--bundle", "a", "--bundle", "x=b", "--bundle", "x=c"], "--bundle: a name is given twice"),
        (["--bundle", "a", "--bundle", "x=b", "--set", "bundles=y=c"], "--set bundles=y=c: bundles is given twice"),
        (["--set", "bundles=c"], "flag: bundles: further bundles are given as NAME=FOLDER, not 'c'"),
        (["--set", "bundles=x=c,x=d"], "flag: bundles: a name is there twice"),
    ],
)
def test_what_cannot_be_is_one_line_and_status_2(arguments: list[str], message: str) -> None:
    for command in (["config", "show"], ["serve"]):
        status, shown, told = _run(*command, *arguments)
        assert (status, shown) == (2, "")
        assert told.startswith(f"rondo: {message}")
        assert told.count("\n") == 1


def test_bundles_are_given_by_flags_variables_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[ServerSettings] = []
    monkeypatch.setattr(run, "serve", started.append)

    def served(*arguments: str) -> tuple[Path, str, dict[str, Path]]:
        assert _run("serve", *arguments)[0] == 0
        return started[-1].bundle, started[-1].bundle_name, started[-1].bundles

    assert served("--bundle", "a/b=c") == (Path("a/b=c"), "", {})
    expected = (Path("a"), "one", {"two": Path("/b"), "three": Path("c=d")})
    assert served("--bundle", "one=a", "--bundle", "two=/b", "--bundle", "three=c=d") == expected
    monkeypatch.setenv("RONDO_BUNDLES", "x=/x, y=y/z")
    assert served("--bundle", "a")[2] == {"x": Path("/x"), "y": Path("y/z")}
    file = tmp_path / "r.toml"
    file.write_text('bundle = "a"\nbundle_name = "one"\nbundles = { x = "/x", y = "z" }\n')
    expected = (tmp_path / "a", "one", {"x": Path("/x"), "y": tmp_path / "z"})
    assert served("--config", str(file)) == expected
    shown = {line.split()[0]: line.split()[1] for line in _run("config", "show", "--bundle", "o=a")[1].splitlines()}
    assert (shown["bundle"], shown["bundle_name"], shown["bundles"]) == ("a", "o", "x=/x,y=y/z")


def test_a_server_is_started_with_what_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[ServerSettings] = []
    monkeypatch.setattr(run, "serve", started.append)
    file = tmp_path / "r.toml"
    file.write_text('host = "::1"\nstate_dir = "state"\n')
    arguments = ["--config", str(file), "--engine", "inprocess", "--services", "sentiment", "--set", "hang_s=9"]
    assert _run("serve", *arguments)[0] == 0
    shown: dict[str, Any] = json.loads(_run("config", "show", "--json", *arguments)[1])
    (settings,) = started
    assert (settings.host, settings.state_dir, settings.hang_s) == ("::1", tmp_path / "state", 9)
    assert settings.model_dump(mode="json") == {name: one["value"] for name, one in shown.items()}


def test_keys_are_where_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text('state_dir = "state"\n')
    assert _run("keys", "create", "shop", "--config", str(file))[0] == 0
    assert (tmp_path / "state" / "keys.json").is_file()

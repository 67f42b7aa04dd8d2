"""`rondo keys`."""

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rondo_services.access.key_file import KeyFile
from rondo_services.access.keys import parted
from rondo_services.cli import app


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RONDO_STATE_DIR", str(tmp_path))


def _run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["keys", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_a_key_is_shown_once(tmp_path: Path) -> None:
    status, output, said = _run("create", "shop", "--requests-per-minute", "60", "--expires", "90d")
    assert status == 0
    (record,) = KeyFile(tmp_path).read()
    assert parted(output.strip())[0] == record.id
    assert "can't be shown again" in said
    assert (record.allowance.requests_per_minute, record.allowance.requests_per_day) == (60, None)
    assert record.expires_at is not None
    status, listed, _ = _run("list")
    assert status == 0
    assert record.id in listed
    assert "shop" in listed
    assert output.strip() not in listed
    assert record.sha256 not in listed
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600


def test_a_revoked_key_is_gone(tmp_path: Path) -> None:
    _run("create", "shop")
    assert _run("revoke", "shop")[0] == 0
    assert KeyFile(tmp_path).read() == []
    assert "no keys in" in _run("list")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", "a b"), "name is up to 64"),
        (("create", "a", "--expires", "soon"), "an expiry is like 90d"),
        (("create", "a", "--expires", ""), "an expiry is like 90d"),
        (("create", "a", "--expires", "2001-01-01"), "would have expired already"),
        (("create", "a", "--requests-per-day", "0"), "greater than or"),
        (("revoke", "nobody"), "no key has the name or id 'nobody'"),
    ],
)
def test_mistakes_are_told_in_a_line(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    status, _, said = _run(*arguments)
    assert status == 2
    assert message in " ".join(said.split())
    assert KeyFile(tmp_path).read() == []


def test_another_folder(tmp_path: Path) -> None:
    _run("create", "shop", "--state-dir", str(tmp_path / "other"))
    assert KeyFile(tmp_path).read() == []
    assert len(KeyFile(tmp_path / "other").read()) == 1


def test_a_damaged_file_of_what_was_used_is_told_in_a_line(tmp_path: Path) -> None:
    _run("create", "shop")
    (tmp_path / "usage.sqlite3").write_text("no database " * 100)
    status, _, said = _run("list")
    assert status == 1
    assert said.startswith(f"rondo: {tmp_path / 'usage.sqlite3'}")
    assert said.count("\n") == 1

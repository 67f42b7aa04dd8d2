"""`rondo bundle push` and `pull`: what they print, and how they end."""

from pathlib import Path

import pytest
from tests.services.delivery.folders import held
from typer.testing import CliRunner

from rondo_services.cli import app


def _run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["bundle", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_the_digest_is_alone_on_standard_output(bundle_folder: Path, tmp_path: Path) -> None:
    archive, out = tmp_path / "own.tar", tmp_path / "out"
    status, digest, told = _run("push", str(archive), "--bundle", str(bundle_folder))
    assert (status, digest[:7], len(digest)) == (0, "sha256:", 72)
    assert told.endswith(f"is at {archive}\n")
    assert _run("pull", str(archive), "--digest", digest.strip(), "--output", str(out))[:2] == (0, digest)
    assert held(out) == held(bundle_folder)
    status, again, told = _run("pull", f"file://{archive}", "--output", str(out))
    assert (status, again) == (0, digest)
    assert told.endswith(f"is there already: {out}\n")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("pull", "/of/nobody"), 2, "/of/nobody is no bundle: manifest.json is missing"),
        (("pull", "/of/nobody.tar"), 2, "/of/nobody.tar is no file"),
        (("pull", "oci://h.test/own"), 2, "oci://h.test/own: give a tag or a digest"),
        (("pull", "http://h.test/own.tar"), 2, "http://h.test/own.tar: not encrypted"),
        (("pull", "http://localhost/own.tar", "--no-plain-http"), 2, "http://localhost/own.tar: not encrypted"),
        (("pull", "https://127.0.0.1:1/own.tar"), 1, "https://127.0.0.1:1/own.tar did not answer"),
        (("push", "oci://localhost:1/own:1", "--bundle", "/of/nobody"), 2, "/of/nobody is no bundle"),
        (("pull", "x", "--digest", "md5:1"), 2, "a digest is sha256: and 64 hexadecimal digits, not 'md5:1'"),
    ],
)
def test_how_they_fail(
    arguments: tuple[str, ...], status: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = _run(*arguments)
    assert ended[:2] == (status, "")
    assert ended[2].startswith(f"rondo: {message}")
    assert ended[2].count("\n") == 1

"""`rondo bundle status`, `reload`, `canary`, `promote` and `rollback` with a real server."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rondo_models.manifest import read_contents
from rondo_services.cli import app
from rondo_services.server.settings import default_bundle

from .asking import wait_until
from .bundles import contrary_bundle, key_in
from .conftest import Launch

OLD = read_contents(default_bundle()).fingerprint[:12]


def test_a_bundle_is_exchanged_from_the_command_line(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = contrary_bundle(tmp_path / "new")[:12]
    state_dir = tmp_path / "state"
    settings = {"state_dir": str(state_dir), "bundles_dir": str(tmp_path)}
    with launch("--bundle", f"served={default_bundle()}", settings=settings) as server:
        monkeypatch.setenv("RONDO_SERVER", str(server.client.base_url))
        monkeypatch.setenv("RONDO_API_KEY", key_in(state_dir, admin=True))

        def rondo(*arguments: str) -> list[list[str]]:
            """Words of the lines that a command prints, but for the table's head."""
            result = CliRunner().invoke(app, ["bundle", *arguments])
            assert result.exit_code == 0, result.output
            lines = [line.split() for line in result.stdout.splitlines()]
            return [words for words in lines if words and words[0] != "name"]

        def mistake(*arguments: str) -> str:
            result = CliRunner().invoke(app, ["bundle", *arguments])
            assert result.exit_code == 2, result.output
            return result.stderr

        assert rondo("status") == [["served", OLD, "0.1.0", "serving", "1", "0", str(default_bundle())]]
        assert rondo("reload") == [["served:", "unchanged"], *rondo("status")]
        change, *rows = rondo("reload", "new", "--canary", "0.25")
        assert change == ["served:", "canary"]
        assert [row[1:5] for row in rows] == [[OLD, "0.1.0", "serving", "0.75"], [new, "0.2.0", "canary", "0.25"]]
        assert [row[4] for row in rondo("canary", "0.5")[1:]] == ["0.5", "0.5"]
        assert rondo("canary", "0")[0] == ["served:", "canary", "dropped"]
        wait_until(lambda: len(rondo("status")) == 1)
        rondo("reload", "new", "--canary", "0.25", "--name", "served")
        assert rondo("promote")[0] == ["served:", "promote"]
        wait_until(
            lambda: [row[1:4] for row in rondo("status")] == [[new, "0.2.0", "serving"], [OLD, "0.1.0", "former"]]
        )
        assert rondo("rollback")[0] == ["served:", "rollback"]
        assert "has no canary" in mistake("promote")
        assert "is no bundle: manifest.json is missing" in mistake("reload", "state")
        assert "no bundle 'other' is served; there are served" in mistake("rollback", "--name", "other")
        assert "between 0 and 1, not 1" in mistake("reload", "--canary", "1")
        assert "path: it is not below" in mistake("reload", "/etc")
        monkeypatch.setenv("RONDO_API_KEY", "")
        assert "rondo keys create NAME --admin" in mistake("status")

"""`rondo probe`: what it says, and how it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rondo_services.cli import app
from rondo_services.evaluation.bias.words import read_words


@pytest.fixture(autouse=True)
def few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fewer(name: str) -> dict[str, Any]:
        words = read_words(name)
        if name == "professions":
            return {**words, "professions": words["professions"][:2]}
        return {**words, "sentences": {"neutral": words["sentences"]["neutral"][:1]}}

    monkeypatch.setattr("rondo_services.evaluation.bias.probe.read_words", fewer)


def test_the_figures_are_told_and_written(bundle_folder: Path, tmp_path: Path) -> None:
    arguments = ["probe", "--bundle", str(bundle_folder), "--output", str(tmp_path / "bias")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "bias" / "report.json").read_text(encoding="utf-8"))
    assert report["signature"] in result.stdout
    assert "en gender (sentences): 10 pairs, " in result.stdout
    assert "de→en, gender told: female; 6 sentences: " in result.stdout
    again = CliRunner().invoke(app, arguments)
    assert again.stdout.splitlines()[:-1] == result.stdout.splitlines()[:-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label", "good"], "the bundle knows no label 'good'; choose among negative, positive"),
        (["--data", "nsmc"], "set RONDO_DATA to the folder that holds the data sets"),
        (["--precision", "high"], "not 'high'"),
    ],
)
def test_what_cannot_be_is_refused(
    options: list[str], message: str, bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RONDO_DATA", raising=False)
    output = tmp_path / "bias"
    result = CliRunner().invoke(app, ["probe", "--bundle", str(bundle_folder), "--output", str(output), *options])
    assert result.exit_code == 2
    assert message in result.stderr
    assert not output.exists()

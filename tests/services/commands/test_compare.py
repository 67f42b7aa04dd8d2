import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rondo_services.cli import app


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    for name, labels in (("old", "abab"), ("new", "aaab")):
        folder = tmp_path / name
        folder.mkdir()
        lines = [
            {"line": i, "text": "t", "expected": ["a"], "label": label, "score": 0.6} for i, label in enumerate(labels)
        ]
        (folder / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (folder / "report.json").write_text('{"task": "sentiment"}')
    return [str(tmp_path / "old"), str(tmp_path / "new")]


def test_a_table_and_files(folders: list[str], tmp_path: Path) -> None:
    values, tables = tmp_path / "c.json", tmp_path / "c.md"
    options = ["--metrics", "accuracy, ece", "--resamples", "20", "--json", str(values), "--markdown", str(tables)]
    result = CliRunner().invoke(app, ["compare", *folders, *options])
    assert result.exit_code == 0, result.output
    assert "new against old: sentiment, 4 texts" in result.output
    record = json.loads(values.read_text())
    assert [own["metric"] for own in record["systems"][0]["differences"]] == ["accuracy", "ece"]
    assert record["systems"][0]["differences"][0]["difference"] == 25
    assert (record["num_resamples"], record["num_trials"]) == (20, 200)
    assert "| Accuracy | 50.00 | 75.00 |" in tables.read_text()


@pytest.mark.parametrize("option", ["--json", "--markdown"])
def test_a_file_in_no_folder_is_told_before_anything_is_computed(
    folders: list[str], tmp_path: Path, option: str
) -> None:
    """It was [Errno 2], after all resamples."""
    result = CliRunner().invoke(app, ["compare", *folders, option, str(tmp_path / "none" / "c")])
    assert result.exit_code == 2
    assert f"there is no folder {tmp_path / 'none'}" in result.output.replace("\n", "")


def test_no_metric_at_all_is_a_mistake(folders: list[str]) -> None:
    result = CliRunner().invoke(app, ["compare", *folders, "--metrics", ""])
    assert result.exit_code == 2
    assert "no metric is named; choose among accuracy" in result.output


def test_a_mistake_is_told_in_a_line(folders: list[str]) -> None:
    result = CliRunner().invoke(app, ["compare", *folders, "--metrics", "bleu"])
    assert result.exit_code == 2
    assert "unknown metric 'bleu'" in result.output
    assert CliRunner().invoke(app, ["compare", folders[0]]).exit_code == 2

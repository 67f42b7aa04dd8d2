from pathlib import Path

import pytest
from typer.testing import CliRunner

from rondo_services.cli import app

RECIPE = """
name = "tiny"
[heads.sentiment]
kind = "classifier"
labels = ["negative", "positive"]
[[data]]
set = "sst2"
head = "sentiment"
[training]
steps = 1
"""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "one"], "seeds are whole numbers with commas between, such as 1,2,3, not 'one'"),
        (["--seeds", "1,1"], "seeds must be different numbers, at least one, not [1, 1]"),
        (["--split", "train"], "split must be dev or test, not 'train'"),
        (["--folds", "3", "--seeds", "1"], "fold 2: none of the recipe's data sets has folds"),
    ],
)
def test_impossible_trials_are_refused_before_any_training(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = tmp_path / "tiny.toml", tmp_path / "run"
    recipe.write_text(RECIPE, encoding="utf-8")
    monkeypatch.setenv("RONDO_DATA", str(tmp_path))
    result = CliRunner().invoke(app, ["trials", str(recipe), "--run", str(run), *options])
    assert (result.exit_code, result.stderr) == (2, f"rondo: {message}\n")
    assert not run.exists()

import json
from pathlib import Path
from typing import Any

import pytest

from rondo_models.training.tasks import ClassificationTask
from rondo_services.training.preparation import Prepared, prepare
from rondo_services.training.recipe import recipe_from
from rondo_tokenizers.vocabulary import Tokenizer


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.jsonl"
    _write(path, "review")
    return path


def _write(path: Path, word: str) -> None:
    rows = [{"text": f"{word} number {n}", "label": ("bad", "good")[n % 2]} for n in range(200)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _texts(prepared: Prepared) -> list[list[int]]:
    task = prepared.tasks[0]
    assert isinstance(task, ClassificationTask)
    return [task.texts[index].tolist() for index in range(task.size)]


def test_a_second_preparation_is_the_first_one(
    values: dict[str, Any], tokenizer: Tokenizer, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values["data"] = [{"set": str(reviews), "head": "sentiment"}]
    first = prepare(recipe_from(values), tokenizer, None, tmp_path)
    monkeypatch.setattr("rondo_services.training.preparation.read_entry", None)  # nothing is read again
    values["data"][0]["weight"] = 3.0  # no matter of the encoded data
    second = prepare(recipe_from(values), tokenizer, None, tmp_path)
    assert _texts(first) == _texts(second)
    assert first.left_out == second.left_out
    assert second.weights == [3.0]
    assert [task.size for task in first.dev_tasks] == [task.size for task in second.dev_tasks]


def test_another_file_or_limit_is_read_anew(
    values: dict[str, Any], tokenizer: Tokenizer, reviews: Path, tmp_path: Path
) -> None:
    values["data"] = [{"set": str(reviews), "head": "sentiment"}]
    prepare(recipe_from(values), tokenizer, None, tmp_path)
    _write(reviews, "notice")
    changed = _texts(prepare(recipe_from(values), tokenizer, None, tmp_path))
    assert tokenizer.decode(changed[0]).startswith("notice")
    values["data"][0]["most"] = 20
    assert len(_texts(prepare(recipe_from(values), tokenizer, None, tmp_path))) == 20

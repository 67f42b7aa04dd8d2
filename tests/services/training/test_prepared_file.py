import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rondo_models.config import ConfigError
from rondo_models.training.tasks import ClassificationTask, LanguageModelTask, Seq2SeqTask
from rondo_services.datasets.examples import SPLITS
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


def test_another_kind_of_head_is_read_anew(values: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path) -> None:
    rows = [{"source": f"boat {n}", "target": f"Boot {n}", "text": f"boat {n}"} for n in range(200)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    values["data"] = [{"set": str(path), "head": "summarization"}]
    prepare(recipe_from(values), tokenizer, None, tmp_path)
    values["heads"]["summarization"] = {"kind": "language_model"}
    (task,) = prepare(recipe_from(values), tokenizer, None, tmp_path).tasks
    assert isinstance(task, LanguageModelTask)


def test_named_sets_are_needed_only_the_first_time(
    values: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "tatoeba"
    folder.mkdir(parents=True)
    for split in SPLITS:
        lines = "".join(f"boat {split} {n}\tBoot {split} {n}\n" for n in range(9))
        (folder / f"eng-deu.{split}.tsv.xz").write_bytes(lzma.compress(lines.encode()))
    values["data"] = [{"set": "tatoeba-en-de", "head": "translation", "direction": "both"}]
    first = prepare(recipe_from(values), tokenizer, tmp_path / "data", tmp_path)
    second = prepare(recipe_from(values), tokenizer, None, tmp_path)
    for one, other in zip([*first.tasks, *first.dev_tasks], [*second.tasks, *second.dev_tasks], strict=True):
        assert isinstance(one, Seq2SeqTask)
        assert isinstance(other, Seq2SeqTask)
        assert one.size == other.size == 18
        for index in range(one.size):
            assert one.sources[index].tolist() == other.sources[index].tolist()
            assert one.targets[index].tolist() == other.targets[index].tolist()
            assert other.sources[index].dtype == one.sources[index].dtype
    values["longest"] = 23
    with pytest.raises(ConfigError, match=r"set RONDO_DATA .*serves the same recipe, vocabulary and files"):
        prepare(recipe_from(values), tokenizer, None, tmp_path)


def test_a_file_that_went_away_is_named(
    values: dict[str, Any], tokenizer: Tokenizer, reviews: Path, tmp_path: Path
) -> None:
    values["data"] = [{"set": "nsmc", "head": "sentiment"}, {"set": str(reviews), "head": "sentiment"}]
    reviews.unlink()
    with pytest.raises(ConfigError, match=r"reviews\.jsonl: there is no such file"):
        prepare(recipe_from(values), tokenizer, None, tmp_path)


@pytest.mark.parametrize("damage", [lambda packed: packed[: len(packed) // 2], lambda _: b"", lambda _: b"no frame"])
def test_a_damaged_file_is_named(
    values: dict[str, Any], tokenizer: Tokenizer, reviews: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    values["data"] = [{"set": str(reviews), "head": "sentiment"}]
    prepare(recipe_from(values), tokenizer, None, tmp_path)
    path = tmp_path / "prepared.npz.zst"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ConfigError, match=r"prepared\.npz\.zst is damaged; delete it"):
        prepare(recipe_from(values), tokenizer, None, tmp_path)
    path.unlink()
    assert len(_texts(prepare(recipe_from(values), tokenizer, None, tmp_path))) > 150


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

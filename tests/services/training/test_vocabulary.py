import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from rondo_services.training.recipe import recipe_from
from rondo_services.training.vocabulary import kept_vocabulary, learn_vocabulary
from rondo_tokenizers.vocabulary import Tokenizer

PLACES = ("harbour", "village", "bridge", "market", "station", "garden", "quarry", "island")
THINGS = ("heron", "boat", "train", "baker", "painter", "kite", "ferry", "umbrella", "clock", "lantern")


@pytest.fixture
def recipe_values(values: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "lines.jsonl"
    decomposed = unicodedata.normalize("NFD", "조용한 항구")
    lines = [f"the {thing} of the {place}, {decomposed}" for thing in THINGS for place in PLACES]
    path.write_text("".join(json.dumps({"text": line}) + "\n" for line in lines), encoding="utf-8")
    return {**values, "vocabulary_size": 300, "data": [{"set": str(path), "head": "generation"}]}


def test_a_vocabulary_is_learned_from_the_composed_training_texts(recipe_values: dict[str, Any]) -> None:
    tokenizer = Tokenizer(learn_vocabulary(recipe_from(recipe_values), None, threads=1))
    assert tokenizer.size == 300
    assert len(tokenizer.encode("조용한")) <= 4
    assert len(tokenizer.encode("market")) < len(tokenizer.encode("xqzjvw"))


def test_little_text_gives_a_smaller_vocabulary(recipe_values: dict[str, Any]) -> None:
    recipe_values["vocabulary_size"] = 8000
    tokenizer = Tokenizer(learn_vocabulary(recipe_from(recipe_values), None, threads=1))
    assert 280 < tokenizer.size < 400
    assert tokenizer.decode(tokenizer.encode("the kite, 연")) == "the kite, 연"


def test_a_vocabulary_has_the_target_tags_of_the_recipes_languages(recipe_values: dict[str, Any]) -> None:
    recipe_values["languages"] = ["en", "fr"]
    tokenizer = Tokenizer(learn_vocabulary(recipe_from(recipe_values), None, threads=1))
    assert list(tokenizer.target_ids) == ["en", "fr"]


def test_no_text_is_an_error(recipe_values: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match=r"lines\.jsonl: there are no rows in it"):
        learn_vocabulary(recipe_from(recipe_values), None, threads=1)


def test_a_vocabulary_of_something_else_is_learned_anew_as_long_as_no_weights_know_it(
    recipe_values: dict[str, Any], tmp_path: Path
) -> None:
    """A run that ended before its first checkpoint left its vocabulary to another file, or to other languages."""
    folder = tmp_path / "run"

    def kept(*, is_begun: bool = False, **changes: Any) -> bytes:
        return kept_vocabulary(recipe_from({**recipe_values, **changes}), None, folder, is_begun=is_begun)

    first = kept()
    assert kept(languages=["en", "fr"], is_begun=True) == first
    assert list(Tokenizer(kept(languages=["en", "fr"])).target_ids) == ["en", "fr"]
    assert kept() == first
    other = [f"여기 {number}번 조용한 항구에 배가 있다" for number in range(200)]
    lines = "".join(json.dumps({"text": line}) + "\n" for line in other)
    (tmp_path / "lines.jsonl").write_text(lines, encoding="utf-8")
    assert kept(is_begun=True) == first
    assert kept() != first
    (folder / "tokenizer.model").write_bytes(first)
    (folder / "tokenizer.source.json").unlink()
    assert kept() == first  # somebody has put it there, or an earlier version has

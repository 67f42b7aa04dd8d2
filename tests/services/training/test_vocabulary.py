import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from rondo_services.training.recipe import recipe_from
from rondo_services.training.vocabulary import learn_vocabulary
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
    with pytest.raises(ValueError, match="could not learn 300 pieces"):
        learn_vocabulary(recipe_from(recipe_values), None, threads=1)

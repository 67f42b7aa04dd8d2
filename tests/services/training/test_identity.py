"""A run's folder is not taken for that of another run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rondo_models.bundle import Bundle, load_bundle
from rondo_models.config import ConfigError
from rondo_services.training.recipe import recipe_from
from rondo_services.training.run import RunOptions, run_recipe

Train = Callable[..., Bundle]


@pytest.fixture
def train(recipe_values: dict[str, Any], tmp_path: Path) -> Train:
    """Train `recipe_values` with some of them changed, always in the same folders."""

    def run(init: Bundle | None = None, **changes: Any) -> Bundle:
        recipe = recipe_from({**recipe_values, **changes})
        return load_bundle(run_recipe(recipe, RunOptions(tmp_path / "run", tmp_path / "bundle", None, init=init)))

    return run


def test_the_same_command_again_gives_the_same(train: Train) -> None:
    assert train().contents.files["backbone.safetensors"] == train().contents.files["backbone.safetensors"]


def test_a_file_that_has_changed_is_refused(train: Train, tmp_path: Path) -> None:
    train()
    with (tmp_path / "reviews.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"text": "one more", "label": "good"}) + "\n")
    with pytest.raises(
        ConfigError, match=r"run has checkpoints of another run: files of sentiment/reviews\.jsonl was .* and is"
    ):
        train()


def test_a_file_of_the_same_name_elsewhere_is_another(
    train: Train, recipe_values: dict[str, Any], tmp_path: Path
) -> None:
    train()
    own = tmp_path / "reviews.jsonl"
    there = tmp_path / "there" / "reviews.jsonl"
    there.parent.mkdir()
    there.write_bytes(own.read_bytes())
    train(data=[{**recipe_values["data"][0], "set": str(there)}])
    there.write_bytes(own.read_bytes() * 2)
    with pytest.raises(ConfigError, match=r"files of sentiment/reviews\.jsonl was"):
        train(data=[{**recipe_values["data"][0], "set": str(there)}])
    other = own.rename(tmp_path / "others.jsonl")
    with pytest.raises(ConfigError, match=r"files of sentiment/reviews\.jsonl was .* and is none"):
        train(data=[{**recipe_values["data"][0], "set": str(other)}])


def test_other_labels_are_refused(train: Train, recipe_values: dict[str, Any]) -> None:
    train()
    heads = {"sentiment": {**recipe_values["heads"]["sentiment"], "labels": ["good", "bad"]}}
    with pytest.raises(ConfigError, match="labels of sentiment was bad, good and is good, bad"):
        train(heads=heads)


def test_another_initial_bundle_is_refused(train: Train) -> None:
    first = train()
    with pytest.raises(ConfigError, match=r"its initial bundle was none and is [0-9a-f]+"):
        train(init=first)


def test_other_languages_are_refused(train: Train) -> None:
    train()
    with pytest.raises(ConfigError, match="its languages was en and is en, de"):
        train(languages=["en", "de"])


def test_how_an_ended_phase_was_trained_can_not_change(train: Train, recipe_values: dict[str, Any]) -> None:
    train()
    with pytest.raises(ConfigError, match=r"the phase joint has ended with learning_rate = 0\.001, not 0\.05"):
        train(training={**recipe_values["training"], "learning_rate": 0.05})
    train(training={**recipe_values["training"], "log_every": 2})


def test_further_phases_may_come(train: Train) -> None:
    train()
    phase = {"steps": 1, "micro_batches": 1}
    train(fine_tune={"sentiment": phase})
    with pytest.raises(ConfigError, match="the phase fine-tune-sentiment has ended with steps = 1, not 2"):
        train(fine_tune={"sentiment": {**phase, "steps": 2}})


def test_another_shape_is_refused(train: Train, recipe_values: dict[str, Any]) -> None:
    train()
    with pytest.raises(ConfigError, match="is of another recipe; take another run folder"):
        train(heads={"sentiment": {**recipe_values["heads"]["sentiment"], "hidden_size": 6}})


def test_a_folder_without_checkpoints_is_anyones(train: Train, recipe_values: dict[str, Any], tmp_path: Path) -> None:
    train()
    (tmp_path / "run" / "joint.pt").unlink()
    (tmp_path / "run" / "tokenizer.model").unlink()
    training = {**recipe_values["training"], "seed": 2}
    for _ in range(2):
        train(languages=["en", "de"], training=training)

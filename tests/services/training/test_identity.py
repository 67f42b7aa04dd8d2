"""A run's folder is not taken for that of another run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rondo_models.bundle import Bundle, load_bundle
from rondo_models.config import ConfigError
from rondo_services.training.identity import RunIdentity
from rondo_services.training.origins import data_of
from rondo_services.training.recipe import Recipe, recipe_from
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
    training = {**recipe_values["training"], "seed": 2}
    for _ in range(2):
        train(languages=["en", "de"], training=training)


@pytest.mark.parametrize("name", ["joint.pt", None])
def test_what_was_trained_on_is_not_measured_on_later(
    train: Train, recipe_values: dict[str, Any], tmp_path: Path, name: str | None
) -> None:
    """All rows were trained on, and some of them written to be measured on when `train_only` was changed."""
    (entry,) = recipe_values["data"]
    train(data=[{**entry, "train_only": True}])
    if name is None:  # as of a run that has not ended
        known = json.loads((tmp_path / "run" / "run.json").read_text())
        (tmp_path / "run" / "run.json").write_text(json.dumps({**known, "ended": {}, "read": {}}))
    with pytest.raises(ConfigError, match=r"train_only of sentiment/reviews\.jsonl was True and is False"):
        train()
    assert not (tmp_path / "run" / "reviews-test.jsonl").exists()


def test_before_a_checkpoint_rows_may_come_to_be_trained_on(
    train: Train, recipe_values: dict[str, Any], tmp_path: Path
) -> None:
    train()
    assert (tmp_path / "run" / "reviews-test.jsonl").exists()
    (tmp_path / "run" / "joint.pt").unlink()
    train(data=[{**recipe_values["data"][0], "train_only": True}])
    assert not (tmp_path / "run" / "reviews-test.jsonl").exists()


def test_a_run_that_knows_nothing_of_its_data_goes_on(train: Train, tmp_path: Path) -> None:
    """Of an earlier version; from then on it knows."""
    train()
    note = tmp_path / "run" / "run.json"
    known = json.loads(note.read_text())
    now = {name: known.pop(name) for name in ("read", "seen")}
    note.write_text(json.dumps(known))
    train()
    assert {name: json.loads(note.read_text())[name] for name in now} == now


PAIRS = {"set": "libreoffice-en-de", "head": "translation"}
RESEARCH = {"set": "multi30k-en-de", "head": "translation"}


@pytest.fixture
def identify(values: dict[str, Any], tmp_path: Path) -> Callable[..., tuple[Recipe, RunIdentity]]:
    """The identity of a run of translation on some data, always in the same folder."""

    def identity(*data: dict[str, Any], **changes: Any) -> tuple[Recipe, RunIdentity]:
        recipe = recipe_from({**values, "languages": ["en", "de"], "data": list(data), **changes})
        phases = {"joint": recipe.training, **{f"fine-tune-{head}": own for head, own in recipe.fine_tune.items()}}
        read = {name: [e for e in recipe.data if name in ("joint", f"fine-tune-{e.head}")] for name in phases}
        return recipe, RunIdentity(tmp_path / "run", recipe, None, [], phases, read)

    return identity


Identify = Callable[..., tuple[Recipe, RunIdentity]]


def _begun(identity: RunIdentity, *, ended: bool) -> None:
    identity.begin(is_begun=False)
    identity.begin_phase("joint")
    if ended:
        identity.end("joint")


def test_the_data_of_an_ended_phase_can_not_change(identify: Identify) -> None:
    """The weights stayed those of a set for research only, and the bundle named another set and its licence."""
    _begun(identify(RESEARCH)[1], ended=True)
    identify({**RESEARCH, "weight": 2.0, "dropout": 0.1})[1].check(is_begun=True)
    for data, message in (
        ([PAIRS], "the phase joint has ended with the data translation/multi30k-en-de, which the recipe lacks"),
        ([RESEARCH, PAIRS], "has ended without the data translation/libreoffice-en-de, and none follows for them"),
        ([{**RESEARCH, "direction": "both"}], "with direction of translation/multi30k-en-de = forward, not both"),
        ([{**RESEARCH, "most": 10}], "with most of translation/multi30k-en-de = 0, not 10"),
        ([{**RESEARCH, "fold": 2}], "fold of translation/multi30k-en-de was 1 and is 2"),
    ):
        with pytest.raises(ConfigError, match=message):
            identify(*data)[1].check(is_begun=True)


def test_a_further_phase_may_have_further_data(identify: Identify) -> None:
    _begun(identify(PAIRS)[1], ended=True)
    further = {"set": "sst2", "head": "sentiment"}
    tuned = {"fine_tune": {"sentiment": {"steps": 1}}}
    _, identity = identify(PAIRS, further, **tuned)
    for _ in range(2):
        identity.check(is_begun=True)
        identity.begin(is_begun=True)
        for phase in ("joint", "fine-tune-sentiment"):
            identity.begin_phase(phase)
            identity.end(phase)
    with pytest.raises(ConfigError, match="has ended without the data sentiment/mr, and none follows for them"):
        identify(PAIRS, further, {**further, "set": "mr"}, **tuned)[1].check(is_begun=True)
    regressed: dict[str, Any] = {"ngram_regression": {"sentiment": {}}}
    identify(PAIRS, further, {**further, "set": "mr"}, **tuned, **regressed)[1].check(is_begun=True)
    with pytest.raises(
        ConfigError, match="the phase fine-tune-sentiment has ended with the data sentiment/sst2, which"
    ):
        identify(PAIRS, {**further, "set": "mr"}, **tuned, **regressed)[1].check(is_begun=True)


def test_what_a_run_was_trained_on_stays_in_its_bundle(identify: Identify) -> None:
    """A set that the recipe had in the middle of the run."""
    _begun(identify(RESEARCH)[1], ended=False)
    recipe, identity = identify(PAIRS)
    identity.check(is_begun=True)
    identity.begin(is_begun=True)
    identity.begin_phase("joint")
    identity.end("joint")
    told = data_of(recipe, None, (), identity.earlier_origins())
    assert [(own["set"], own["heads"], own.get("ships")) for own in told] == [
        ("multi30k-en-de", ["translation"], "no"),
        ("libreoffice-en-de", ["translation"], None),
    ]

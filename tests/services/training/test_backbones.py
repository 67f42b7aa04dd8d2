"""Every kind of backbone is trained from a recipe, told of in the card and served; what can't be is refused early."""

import json
from pathlib import Path
from typing import Any

import pytest

from rondo_models.bundle import load_bundle
from rondo_models.cells import CELLS
from rondo_models.config import ConfigError
from rondo_models.decoding.parameters import BeamParameters
from rondo_models.manifest import Manifest
from rondo_services.engine.requests import Classify, Search, Work
from rondo_services.local import load_suite
from rondo_services.training.card import model_card
from rondo_services.training.recipe import recipe_from
from rondo_services.training.run import RunOptions, prepare_run, run_recipe

NOUNS = ("heron", "boat", "train", "baker", "painter", "kite", "ferry", "umbrella", "clock", "lantern", "quarry")
TRANSFORMER = {"encoder": "transformer", "encoder_layers": 1, "encoder_heads": 2, "feedforward_size": 8}
BACKBONES: dict[str, tuple[dict[str, Any], str]] = {
    **{cell: ({"cell": cell}, f"One recurrent backbone ({cell.upper()}, 1 layer(s) of 8 in each") for cell in CELLS},
    "normalized": ({"layer_norm": True}, "One recurrent backbone (layer-normalised LSTM, 1 layer(s) of 8 in each"),
    "transformer": (
        TRANSFORMER,
        "One backbone (Transformer encoder, 1 layer(s) of 2 heads; recurrent decoder, LSTM, 1 layer(s) of 8, embedding",
    ),
}


@pytest.fixture
def recipe_values(values: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    reviews, pairs = tmp_path / "reviews.jsonl", tmp_path / "pairs.jsonl"
    both = [(first, second) for first in NOUNS for second in NOUNS]
    rows = [{"text": f"the {a} and the {b}", "label": "good" if "a" in a else "bad"} for a, b in both]
    reviews.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    rows = [{"source": f"{a} and {b}", "target": f"{b} und {a}"} for a, b in both]
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return {
        **values,
        "vocabulary_size": 290,
        "heads": {name: values["heads"][name] for name in ("sentiment", "translation")},
        "data": [
            {"set": str(reviews), "head": "sentiment"},
            {"set": str(pairs), "head": "translation", "target_language": "de"},
        ],
    }


@pytest.mark.parametrize("kind", BACKBONES)
def test_a_backbone_is_trained_and_served(recipe_values: dict[str, Any], tmp_path: Path, kind: str) -> None:
    changes, told = BACKBONES[kind]
    recipe_values["backbone"].update(changes)
    folder = run_recipe(recipe_from(recipe_values), RunOptions(tmp_path / "run", tmp_path / "bundle", None))
    assert told in (folder / "README.md").read_text(encoding="utf-8")
    before = load_bundle(folder)
    assert all(getattr(before.model.backbone.config, name) == value for name, value in changes.items())

    suite = load_suite(folder, precision="float32", max_wait_s=0)
    try:
        ids = tuple(suite.tokenizer.encode("the heron and the boat"))
        long_text = Classify("sentiment", (*ids * 150, 3))  # would be read in parts where that can be
        works: list[Work] = [Classify("sentiment", ids), Search("translation", ids, 2, BeamParameters(2, max_tokens=6))]
        first, scores, hypotheses = suite.run_blocking([long_text, *works])
        assert sum(first) == pytest.approx(1)
        scores_alone, alone = suite.run_blocking(works)
        assert scores == pytest.approx(scores_alone)
        assert [(own.ids, own.finish_reason) for own in hypotheses] == [(own.ids, own.finish_reason) for own in alone]
        assert [own.score for own in hypotheses] == pytest.approx([own.score for own in alone])
    finally:
        suite.close()

    recipe_values["training"]["steps"] = 1
    options = RunOptions(tmp_path / "second-run", tmp_path / "second", None, init=before)
    assert load_bundle(run_recipe(recipe_from(recipe_values), options)).fingerprint != before.fingerprint


def test_a_bundle_that_names_no_encoder_has_a_card() -> None:
    """Bundles were written before there was another than the recurrent one."""
    configs = {"cell": "gru", "num_layers": 1, "hidden_size": 8, "embedding_size": 6, "vocabulary_size": 290}
    card = model_card(Manifest("old", "1", ("en",), {}), {"backbone": configs})
    assert "One recurrent backbone (GRU, 1 layer(s) of 8 in each direction, embedding 6, vocabulary 290)" in card


@pytest.mark.parametrize(
    ("backbone", "head", "message"),
    [
        ({"cell": "qrnn"}, {}, "backbone: unknown cell 'qrnn'; choose one of rnn, lstm, gru, sru"),
        ({"layer_norm": "yes"}, {}, "layer_norm must be true or false, not 'yes'"),
        ({"encoder_layers": 2}, {}, "encoder_layers: only with encoder = 'transformer'"),
        ({**TRANSFORMER, "encoder_heads": 5}, {}, "embedding_size 6 is no multiple of 5 heads"),
        (TRANSFORMER, {"reads": "forward"}, r"heads\.sentiment: reads = 'forward' needs a recurrent encoder"),
    ],
)
def test_what_cannot_be_is_refused_before_the_data_are_read(
    recipe_values: dict[str, Any], tmp_path: Path, backbone: dict[str, Any], head: dict[str, Any], message: str
) -> None:
    recipe_values["backbone"].update(backbone)
    recipe_values["heads"]["sentiment"].update(head)
    with pytest.raises(ConfigError, match=message):
        prepare_run(recipe_from(recipe_values), RunOptions(tmp_path / "run", tmp_path / "bundle", None))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("layer_norm", [False, True])
def test_an_initial_bundle_s_layer_normalisation_stays(
    recipe_values: dict[str, Any], tmp_path: Path, layer_norm: bool
) -> None:
    recipe_values["backbone"]["layer_norm"] = layer_norm
    recipe_values["training"]["steps"] = 1
    folder = run_recipe(recipe_from(recipe_values), RunOptions(tmp_path / "run", tmp_path / "bundle", None))
    options = RunOptions(tmp_path / "second-run", tmp_path / "second", None, init=load_bundle(folder))
    recipe_values["backbone"]["layer_norm"] = not layer_norm
    wanted = rf"backbone\.layer_norm is {not layer_norm}, but {layer_norm} in the initial bundle"
    with pytest.raises(ConfigError, match=wanted):
        prepare_run(recipe_from(recipe_values), options)
    del recipe_values["backbone"]["layer_norm"]
    again = load_bundle(run_recipe(recipe_from(recipe_values), options))
    assert again.model.backbone.config.layer_norm == layer_norm


def test_matrices_that_are_not_there_are_not_dropped(recipe_values: dict[str, Any], tmp_path: Path) -> None:
    recipe_values["backbone"]["cell"] = "sru"
    recipe_values["training"]["weight_dropout"] = 0.2
    with pytest.raises(ConfigError, match="weight_dropout is for cells with a matrix from state to state"):
        prepare_run(recipe_from(recipe_values), RunOptions(tmp_path / "run", tmp_path / "bundle", None))


def test_nothing_trains_a_backward_stack_that_is_not_there(
    recipe_values: dict[str, Any], values: dict[str, Any], tmp_path: Path
) -> None:
    lines = tmp_path / "lines.csv"
    lines.write_text("text\n" + "".join(f"the {a} and the {b}\n" for a in NOUNS for b in NOUNS), encoding="utf-8")
    recipe_values["backbone"].update(TRANSFORMER)
    recipe_values["heads"]["generation"] = values["heads"]["generation"]
    recipe_values["data"].append({"set": str(lines), "head": "generation"})
    options = RunOptions(tmp_path / "run", tmp_path / "bundle", None)
    with pytest.raises(ConfigError, match=r"backward_share is 0\.25, but a Transformer encoder has no backward stack"):
        prepare_run(recipe_from(recipe_values), options)
    bundle = load_bundle(run_recipe(recipe_from({**recipe_values, "backward_share": 0.0}), options))
    assert set(bundle.model.heads) == {"sentiment", "translation", "generation"}

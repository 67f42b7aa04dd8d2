"""The recipes whose results docs/cells.md compares are alike in all but what is compared."""

from dataclasses import replace
from pathlib import Path

from rondo_models.backbone import BackboneConfig
from rondo_models.cells import CELLS
from rondo_models.config import config_from
from rondo_models.model import RondoModel
from rondo_services.training.recipe import Recipe, read_recipe

FOLDER = Path(__file__).parents[3] / "configs" / "cells"


def _recipes() -> dict[str, Recipe]:
    return {path.stem: read_recipe(path) for path in FOLDER.glob("*.toml")}


def _num_recurrent(recipe: Recipe) -> int:
    """Parameters without the embedding, which is the same in all."""
    values = {**recipe.backbone, "vocabulary_size": recipe.vocabulary_size}
    model = RondoModel(config_from(BackboneConfig, values, "backbone"), recipe.heads)
    return sum(parameter.numel() for parameter in model.parameters()) - model.backbone.embedding.weight.numel()


def test_every_cell_the_normalised_ones_and_the_transformer_have_one() -> None:
    recipes = _recipes()
    normalized = {"lstm-normalized": "lstm", "sru-normalized": "sru"}
    expected: dict[str, str] = {**{cell: cell for cell in CELLS}, **normalized, "transformer": "lstm"}
    assert {name: recipe.backbone["cell"] for name, recipe in recipes.items()} == expected
    assert recipes["transformer"].backbone["encoder"] == "transformer"
    assert {name for name, recipe in recipes.items() if recipe.backbone.get("layer_norm")} == set(normalized)


def test_data_and_budget_are_the_same() -> None:
    first, *others = _recipes().values()
    for other in others:
        assert other.data == first.data
        assert other.vocabulary_size == first.vocabulary_size
        assert (other.budget, other.longest) == (first.budget, first.longest)
        assert replace(other.training, learning_rate=1.0) == replace(first.training, learning_rate=1.0)
        assert other.backbone["embedding_size"] == first.backbone["embedding_size"]
        assert other.backbone["dropout"] == first.backbone["dropout"]
        assert other.heads["sentiment"] == first.heads["sentiment"]


def test_sizes_differ_by_less_than_five_percent() -> None:
    sizes = [_num_recurrent(recipe) for recipe in _recipes().values()]
    assert max(sizes) < 1.05 * min(sizes)

"""The bundle that a run has got to, from its last checkpoint."""

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch

from rondo_models.bundle import load_bundle
from rondo_models.config import ConfigError
from rondo_models.training.checkpoint import read_checkpoint
from rondo_services.training.costs import CostLedger
from rondo_services.training.recipe import Recipe, recipe_from
from rondo_services.training.run import RunOptions, run_recipe, write_so_far


@pytest.fixture
def recipe(recipe_values: dict[str, Any]) -> Recipe:
    """Two joint steps, each with its checkpoint, two for the head, and n-grams at the end."""
    steps = {"steps": 2, "warmup_steps": 1, "micro_batches": 1, "checkpoint_every": 1, "log_every": 1}
    return recipe_from(
        {
            **recipe_values,
            "training": steps,
            "fine_tune": {"sentiment": steps},
            "ngram_regression": {"sentiment": {"alone": True}},
        }
    )


@pytest.fixture
def options(tmp_path: Path) -> RunOptions:
    return RunOptions(tmp_path / "run", tmp_path / "bundle", None)


class Stopped(Exception):
    """In place of a kill."""


def _run_for(monkeypatch: pytest.MonkeyPatch, recipe: Recipe, options: RunOptions, steps: int) -> None:
    """Stop a run after so many steps of all its phases together."""
    done = count(1)

    def note(_: CostLedger) -> None:
        if next(done) == steps:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(CostLedger, "note", note)
        with pytest.raises(Stopped):
            run_recipe(recipe, options)


@pytest.mark.parametrize(
    ("steps", "reached", "joint_steps"), [(1, ("joint", 1), 1), (3, ("fine-tune-sentiment", 1), 2)]
)
def test_the_last_checkpoints_averaged_weights_become_a_bundle(
    recipe: Recipe,
    options: RunOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps: int,
    reached: tuple[str, int],
    joint_steps: int,
) -> None:
    _run_for(monkeypatch, recipe, options, steps)
    phase, step = reached
    log = (options.run_folder / "log.jsonl").read_bytes()
    assert write_so_far(recipe, replace(options, output=tmp_path / "so-far")) == f"{phase}, step {step}"
    bundle = load_bundle(tmp_path / "so-far")
    state = read_checkpoint(options.run_folder / f"{phase}.pt")
    assert state is not None
    weights = bundle.model.state_dict()
    assert weights.keys() == state["average"].keys()
    assert not [name for name in weights if "ngram" in name]
    for name, weight in weights.items():
        torch.testing.assert_close(weight, state["average"][name], rtol=2**-7, atol=1e-6)  # stored as bfloat16 numbers
    assert bundle.manifest.training["steps"] == joint_steps
    assert (options.run_folder / "log.jsonl").read_bytes() == log


def test_the_run_goes_on_as_if_nothing_had_been_written(
    recipe: Recipe, options: RunOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = load_bundle(run_recipe(recipe, options))
    other = RunOptions(tmp_path / "other-run", tmp_path / "other", None)
    _run_for(monkeypatch, recipe, other, 1)
    write_so_far(recipe, replace(other, output=tmp_path / "so-far"))
    assert load_bundle(run_recipe(recipe, other)).fingerprint == straight.fingerprint


def test_of_an_initial_bundle_what_the_run_has_no_data_for_is_kept(
    recipe: Recipe, options: RunOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_bundle(run_recipe(recipe, options))
    second = RunOptions(tmp_path / "second-run", tmp_path / "second", None, init=first)
    _run_for(monkeypatch, recipe, second, 1)
    write_so_far(recipe, replace(second, output=tmp_path / "so-far"))
    manifest = load_bundle(tmp_path / "so-far").manifest
    assert (manifest.training["steps"], manifest.training["stretches"]) == (3, 2)
    assert manifest.services == first.manifest.services


def test_a_run_without_a_checkpoint_says_so(recipe: Recipe, options: RunOptions) -> None:
    with pytest.raises(ConfigError, match="has no checkpoint yet; a run writes one every checkpoint_every steps"):
        write_so_far(recipe, options)
    assert not options.run_folder.exists()
    assert not options.output.exists()


def test_a_checkpoint_of_another_recipe_is_refused(
    recipe: Recipe, options: RunOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run_for(monkeypatch, recipe, options, 1)
    wider = replace(recipe, backbone={**recipe.backbone, "hidden_size": 16})
    with pytest.raises(ConfigError, match="has a checkpoint of another recipe"):
        write_so_far(wider, options)
    assert not options.output.exists()


def test_a_phase_that_a_recipe_got_before_one_that_was_trained_is_refused(recipe: Recipe, options: RunOptions) -> None:
    only_head = replace(recipe, training=replace(recipe.training, steps=0))
    run_recipe(only_head, options)
    with pytest.raises(ConfigError, match="has a checkpoint of fine-tune-sentiment, but none of joint"):
        run_recipe(recipe, options)
    run_recipe(only_head, options)


def test_a_checkpoint_comes_with_what_it_cost(
    recipe: Recipe, options: RunOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first half minute of a run was told as measured, with no time and no energy at all."""
    _run_for(monkeypatch, recipe, options, 1)
    so_far = replace(options, output=tmp_path / "so-far")
    write_so_far(recipe, so_far)
    (cost,) = load_bundle(so_far.output).manifest.training["costs"]
    assert cost["source"] == "measured"
    assert cost["energy_basis"]
    (options.run_folder / "costs.json").unlink()
    write_so_far(recipe, so_far)
    assert load_bundle(so_far.output).manifest.training["costs"] == []
    assert "Not recorded: " in (so_far.output / "README.md").read_text(encoding="utf-8")

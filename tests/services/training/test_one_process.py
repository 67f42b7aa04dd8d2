"""Two processes do not train in one folder."""

import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from rondo_models.config import ConfigError
from rondo_services.training.one_process import alone_in
from rondo_services.training.recipe import Recipe, recipe_from
from rondo_services.training.run import RunOptions, prepare_run, run_recipe, write_so_far


@pytest.fixture
def recipe(recipe_values: dict[str, Any]) -> Recipe:
    return recipe_from(recipe_values)


@pytest.fixture
def options(tmp_path: Path) -> RunOptions:
    return RunOptions(tmp_path / "run", tmp_path / "bundle", None)


def _train(folder: Path, connection: Connection) -> None:
    with alone_in(folder):
        connection.send("alone")
        connection.recv()


@pytest.fixture
def other(options: RunOptions) -> Iterator[multiprocessing.Process]:
    """A process that trains in the folder."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_train, args=(options.run_folder, there))
    process.start()
    assert here.recv() == "alone"
    yield process  # type: ignore[misc]  # of that context
    process.kill()
    process.join()


def test_a_second_process_is_refused(recipe: Recipe, options: RunOptions, other: multiprocessing.Process) -> None:
    for command in (run_recipe, prepare_run):
        with pytest.raises(ConfigError, match=r"another process trains in .*run; wait for its end"):
            command(recipe, options)
    assert {path.name for path in options.run_folder.iterdir()} == {"run.lock"}
    run_recipe(recipe, replace(options, run_folder=options.run_folder.with_name("other-run")))


def test_after_a_kill_the_folder_is_free(recipe: Recipe, options: RunOptions, other: multiprocessing.Process) -> None:
    other.kill()
    other.join()
    run_recipe(recipe, options)


def test_what_a_run_has_got_to_can_be_had_beside_it(recipe: Recipe, options: RunOptions, tmp_path: Path) -> None:
    run_recipe(recipe, options)
    with alone_in(options.run_folder):
        assert write_so_far(recipe, replace(options, output=tmp_path / "so-far")) == "joint, step 2"


def test_a_bundle_may_go_where_a_run_was_killed_at_its_beginning(recipe: Recipe, tmp_path: Path) -> None:
    with alone_in(tmp_path / "run"):
        pass
    run_recipe(recipe, RunOptions(tmp_path / "run", tmp_path / "run", None))

"""`rondo trials`: a recipe's classifier with several seeds and folds."""

from pathlib import Path
from typing import Annotated

import typer

from rondo_models.config import ConfigError

from ..command_errors import errors_as_messages


def trials(
    recipe: Annotated[Path, typer.Argument(help="A recipe in TOML with a classifier called sentiment.")],
    seeds: Annotated[str, typer.Option(help="One training for each, such as 1,2,3.")] = "1,2,3",
    folds: Annotated[int, typer.Option(min=1, help="Of a set with folds: so many, from the first on.")] = 1,
    split: Annotated[str, typer.Option(help="What to measure on: dev while choosing, test at the end.")] = "dev",
    run: Annotated[Path | None, typer.Option(help="Folder of all trials; runs/trials/NAME by default.")] = None,
    baselines: Annotated[bool, typer.Option(help="Measure linear models beside.")] = True,
    init: Annotated[Path | None, typer.Option(help="Start each from this bundle's weights and vocabulary.")] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(help="Learn from this bundle's answers; may be repeated. {fold} stands for the fold's number."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda, to train on.")] = "cpu",
) -> None:
    """Train a recipe several times, and print mean and deviation. Run again to go on, or to measure another split."""
    from rondo_models.bundle import load_bundle
    from rondo_models.training.trainer import TrainingDiverged

    from ..datasets.files import data_root
    from ..training.recipe import read_recipe
    from ..training.trials import TrialOptions, as_text, run_trials

    with errors_as_messages(TrainingDiverged):
        if split not in ("dev", "test"):
            raise ConfigError(f"split must be dev or test, not {split!r}")
        chosen = read_recipe(recipe)
        folder = run or Path("runs") / "trials" / chosen.name
        options = TrialOptions(
            _numbers(seeds),
            range(1, folds + 1),
            "dev" if split == "dev" else "test",
            data_root(),
            folder,
            baselines,
            load_bundle(init) if init is not None else None,
            device,
            tuple(teacher or ()),
        )
        typer.echo(as_text(run_trials(chosen, options)))
        typer.echo(f"wrote {folder / f'{split}.json'}")


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"seeds are whole numbers with commas between, such as 1,2,3, not {text!r}") from error

"""`rondo bundle calibrate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..command_errors import errors_as_messages
from .job_options import Bundle

if TYPE_CHECKING:
    from ..local import LocalSuite


def calibrate(
    data: Annotated[list[str], typer.Argument(help="Named sets of pairs (docs/data.md), looked for in RONDO_DATA.")],
    service: Annotated[
        Literal["translation", "summarization"],
        typer.Option(
            help="translation: how a translation's quality is told. summarization: how much a sentence's place, length "
            "and centrality count where one is chosen."
        ),
    ] = "translation",
    bundle: Bundle = None,
) -> None:
    """Fit on dev splits what a service adds to what its heads say, and put it into a bundle's manifest."""
    from ..datasets.files import data_root
    from ..local import OFFLINE, load_suite
    from ..server.settings import default_bundle

    with errors_as_messages():
        folder = bundle or default_bundle()
        suite = load_suite(folder, [service], limits=OFFLINE)
        try:
            if service == "translation":
                _calibrate_quality(folder, suite, data_root(), data)
            else:
                _calibrate_standing(folder, suite, data_root(), data)
        finally:
            suite.close()


def _calibrate_quality(folder: Path, suite: "LocalSuite", root: Path, data: list[str]) -> None:
    from ..evaluation.calibration import add_calibrations, calibrate

    calibrations = calibrate(suite, root, data)
    add_calibrations(folder, suite, calibrations)
    for direction, own in calibrations.items():
        typer.echo(
            f"{direction}: {own.intercept:.3f} + {own.slope:.3f} * confidence; {own.num_texts} texts, cross-validated "
            f"Pearson {own.pearson}, Spearman {own.spearman}, calibration error {own.calibration_error}"
        )


def _calibrate_standing(folder: Path, suite: "LocalSuite", root: Path, data: list[str]) -> None:
    from ..evaluation.standing_calibration import add_standing, calibrate_standing

    own = calibrate_standing(suite, root, data)
    add_standing(folder, suite, own)
    typer.echo(
        f"{own.num_texts} texts, mean of ROUGE-1, -2 and -L of the chosen sentence: {own.rouge_before} by the head "
        f"alone, {own.rouge} with how sentences stand, cross-validated"
    )

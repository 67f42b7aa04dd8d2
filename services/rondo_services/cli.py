"""The `rondo` command."""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from rondo_models.config import ConfigError

from .access.commands import keys_app
from .command_errors import errors_as_messages
from .commands.batch import batch
from .commands.bundles import add_served_bundle_commands
from .commands.calibrate import calibrate
from .commands.compare import compare
from .commands.config import config_app
from .commands.delivery import bundle_pull, bundle_push
from .commands.evaluate import evaluate
from .commands.probe import probe
from .commands.setting_flags import Flags, takes_setting_flags
from .commands.text import add_text_commands
from .commands.trials import trials
from .commands.worker import worker

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
bundle_app = typer.Typer(no_args_is_help=True, help="Look at, check, get, hand on and exchange bundles.")
lab_app = typer.Typer(no_args_is_help=True, help="Experiments with the cells themselves.")
app.add_typer(bundle_app, name="bundle")
app.add_typer(lab_app, name="lab")
add_text_commands(app)
add_served_bundle_commands(bundle_app)
app.command()(batch)
app.command()(evaluate)
app.command()(probe)
app.command()(worker)
app.command()(trials)
app.command()(compare)
bundle_app.command()(calibrate)
bundle_app.command("pull")(bundle_pull)
bundle_app.command("push")(bundle_push)
app.add_typer(config_app, name="config")
app.add_typer(keys_app, name="keys")

BundleOption = Annotated[Path | None, typer.Option(help="Bundle folder; by default the one that comes with Rondo.")]


@app.callback()
def main() -> None:
    """What is done before any command."""
    if os.getpid() == 1:  # in a container, where the kernel keeps SIGTERM from a first process that has no handler
        signal.signal(signal.SIGTERM, signal.default_int_handler)


@app.command()
@takes_setting_flags
def serve(flags: Flags) -> None:
    """Serve a bundle over HTTP. All settings: docs/serving.md; `rondo config show` tells which hold."""
    from .engine.client import EngineUnavailable
    from .server.configuration import read_configuration
    from .server.run import serve as run_server

    with errors_as_messages(EngineUnavailable):
        run_server(read_configuration(**flags).settings)


@app.command()
def train(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe in TOML; or give --task and --data.")] = None,
    task: Annotated[str | None, typer.Option(help="sentiment, generation, summarization or translation.")] = None,
    data: Annotated[Path | None, typer.Option(help="Your .csv, .tsv or .jsonl file.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder of the new bundle; bundles/NAME by default.")] = None,
    run: Annotated[Path | None, typer.Option(help="Folder of checkpoints and log; runs/NAME by default.")] = None,
    init: Annotated[Path | None, typer.Option(help="Start from this bundle's weights and vocabulary.")] = None,
    teacher: Annotated[
        list[Path] | None, typer.Option(help="Learn from this bundle's answers; may be repeated.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's number of steps.")] = None,
    language: Annotated[str | None, typer.Option(help="Of your file's texts; en by default.")] = None,
    target_language: Annotated[str | None, typer.Option(help="Of your file's translations; en by default.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    watts_per_core: Annotated[
        float, typer.Option(help="For an estimate of the energy where it can't be measured (docs/training.md).")
    ] = 10.0,
    prepare_only: Annotated[
        bool, typer.Option("--prepare-only", help="End when the vocabulary and the data are in the run's folder.")
    ] = False,
    so_far: Annotated[
        Path | None, typer.Option(help="Train nothing; write the bundle of the run's last checkpoint to this folder.")
    ] = None,
) -> None:
    """Train a bundle from a recipe, or one service from your own file. Run again to go on after a stop."""
    from rondo_models.bundle import load_bundle
    from rondo_models.training.trainer import TrainingDiverged
    from rondo_models.training.workers import WorkerLost

    from .training.recipe import read_recipe
    from .training.run import RunOptions, prepare_run, run_recipe, write_so_far
    from .training.teaching import load_teachers
    from .training.user_recipe import user_recipe, with_steps

    with errors_as_messages(TrainingDiverged, WorkerLost):
        start = load_bundle(init) if init is not None else None
        of_a_file = {"--task": task, "--data": data, "--language": language, "--target-language": target_language}
        if recipe is not None and (given := [name for name, value in of_a_file.items() if value is not None]):
            raise ConfigError(f"a recipe names its own data: leave out {', '.join(given)}")
        if recipe is None and (task is None or data is None):
            raise ConfigError("give either a recipe, or both --task and --data")
        if prepare_only and so_far is not None:
            raise ConfigError("--prepare-only and --so-far exclude each other")
        if recipe is not None:
            chosen = read_recipe(recipe)
        else:
            assert task is not None
            assert data is not None
            chosen = user_recipe(task, data, language or "en", target_language or "en")
        if steps is not None:
            chosen = with_steps(chosen, steps)
        root = os.environ.get("RONDO_DATA")
        options = RunOptions(
            run or Path("runs") / chosen.name,
            output or Path("bundles") / chosen.name,
            Path(root) if root else None,
            start,
            device,
            watts_per_core,
            load_teachers(teacher or []),
        )
        if prepare_only:
            prepare_run(chosen, options)
            typer.echo(f"prepared {options.run_folder}; the same command without --prepare-only trains")
        elif so_far is not None:
            typer.echo(f"wrote {so_far}: {write_so_far(chosen, replace(options, output=so_far))}")
        else:
            typer.echo(f"wrote {run_recipe(chosen, options)}")


@app.command()
def synthesize(
    data: Annotated[str, typer.Option(help="A named data set (docs/data.md), looked for in RONDO_DATA.")],
    language: Annotated[str, typer.Option(help="Of the texts to translate.")],
    target_language: Annotated[str, typer.Option(help="Of their translations.")],
    output: Annotated[Path, typer.Option(help="The .tsv file to write.")],
    bundle: BundleOption = None,
    beam_size: Annotated[int, typer.Option(min=1, max=16)] = 4,
    rerank: Annotated[float, typer.Option(min=0.0, max=4.0, help="Weight of the model that translates back.")] = 0.0,
    most: Annotated[int, typer.Option(min=0, help="At most so many texts, drawn at random; 0 all.")] = 0,
    keep: Annotated[float, typer.Option(help="Share of the translations that is kept, best first.")] = 1.0,
) -> None:
    """Translate a data set's training texts into pairs to train on (docs/training.md)."""
    from .datasets.files import data_root
    from .local import OFFLINE, load_suite
    from .server.settings import default_bundle
    from .training.synthesis import SynthesisOptions
    from .training.synthesis import synthesize as run_synthesis

    with errors_as_messages():
        options = SynthesisOptions(data, language, target_language, beam_size, rerank, most, keep)
        suite = load_suite(bundle or default_bundle(), ["translation"], limits=OFFLINE)
        try:
            count = run_synthesis(suite, data_root(), options, output)
        finally:
            suite.close()
    typer.echo(f"wrote {count} pairs to {output}")


@app.command()
def substitute(
    data: Annotated[str, typer.Option(help="A named data set with topics (docs/data.md), looked for in RONDO_DATA.")],
    output: Annotated[Path, typer.Option(help="The .tsv file to write.")],
    words: Annotated[str | None, typer.Option(help="A named set whose single words are used, too.")] = None,
    copies: Annotated[int, typer.Option(min=1, help="How often each topic is tried with other words.")] = 4,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 1,
) -> None:
    """Exchange words in a set's Korean and English training pairs, for more to train on (docs/training.md)."""
    from .datasets.files import data_root
    from .training.substitution import SubstitutionOptions
    from .training.substitution import substitute as run_substitution

    with errors_as_messages():
        count = run_substitution(data_root(), SubstitutionOptions(data, words, copies, seed), output)
    typer.echo(f"wrote {count} pairs to {output}")


@bundle_app.command("info")
def bundle_info(folder: Annotated[Path | None, typer.Argument()] = None) -> None:
    """Print what a bundle says of itself."""
    from dataclasses import asdict

    from rondo_models.manifest import read_manifest

    from .server.settings import default_bundle

    with errors_as_messages():
        json.dump(asdict(read_manifest(folder or default_bundle())), sys.stdout, indent=1, ensure_ascii=False)
        typer.echo()


@bundle_app.command("verify")
def bundle_verify(folder: Annotated[Path | None, typer.Argument()] = None) -> None:
    """Load a bundle completely, check every file, and read of it what a server reads."""
    from .server.settings import default_bundle
    from .verification import verified

    with errors_as_messages():
        bundle = verified(folder or default_bundle())
        typer.echo(f"{bundle.manifest.name} {bundle.manifest.version} is whole: {bundle.fingerprint}")


@bundle_app.command("add-scores")
def bundle_add_scores(
    reports: Annotated[list[Path], typer.Argument(help="report.json files of this bundle, by evaluate and probe.")],
    measured_with: Annotated[
        list[Path] | None,
        typer.Option(help="An earlier bundle; its reports count if the weights that answer are still the same."),
    ] = None,
    kept_from: Annotated[
        Path | None,
        typer.Option(help="An earlier bundle; what its card says is kept where the same weights still answer."),
    ] = None,
    bundle: BundleOption = None,
) -> None:
    """Put what was measured, scores, failures, bias, into a bundle's manifest and card; what was there goes."""
    from .server.settings import default_bundle
    from .training.scores import add_scores

    with errors_as_messages():
        add_scores(bundle or default_bundle(), reports, measured_with or (), kept_from)


@bundle_app.command("describe")
def bundle_describe(
    description: Annotated[Path, typer.Argument(help="A TOML file as in docs/training.md.")],
    bundle: BundleOption = None,
) -> None:
    """Put licence, intended use, and costs of training that were not recorded into a bundle's manifest and card."""
    from .server.settings import default_bundle
    from .training.description import describe

    with errors_as_messages():
        describe(bundle or default_bundle(), description)


@bundle_app.command("average")
def bundle_average(
    first: Annotated[Path, typer.Argument(help="Bundle folder.")],
    second: Annotated[Path, typer.Argument(help="Bundle that was trained on from it.")],
    output: Annotated[Path, typer.Option(help="Folder for the new bundle.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Of the second bundle's weights.")] = 0.5,
) -> None:
    """Write a bundle whose weights are the mean of two."""
    from .training.averaging import average

    with errors_as_messages():
        typer.echo(f"wrote {output}: {average(first, second, share, output)}")


@bundle_app.command("quantize")
def bundle_quantize(
    output: Annotated[Path, typer.Option(help="Folder for the new bundle.")],
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")],
    heads: Annotated[str, typer.Option(help="Of these heads alone, comma-separated; by default of everything.")] = "",
    but: Annotated[str, typer.Option(help="Of everything but these heads, comma-separated.")] = "",
) -> None:
    """Write a bundle whose matrices are 8-bit integers, in half the bytes; its scores have to be measured anew."""
    from .training.quantization import quantize

    def names(listed: str) -> list[str]:
        return [name.strip() for name in listed.split(",") if name.strip()]

    with errors_as_messages():
        typer.echo(f"wrote {output}: {quantize(bundle, output, names(heads), names(but))}")


@lab_app.command("gradients")
def lab_gradients(
    output: Annotated[Path, typer.Option(help="Folder for gradients.png and gradients.json.")] = Path("results/lab"),
    steps: Annotated[int, typer.Option(min=1)] = 400,
    distance: Annotated[int, typer.Option(min=8, help="Time steps between the cue and the question.")] = 100,
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Measure how gradients vanish or explode with distance in RNN, LSTM and GRU, and draw it."""
    from rondo_models.lab.gradients import GradientLab, draw, run_lab

    with errors_as_messages():
        output.mkdir(parents=True, exist_ok=True)
        results = run_lab(GradientLab(distance=distance, steps=steps, seed=seed))
        (output / "gradients.json").write_text(json.dumps([r.as_record() for r in results], indent=1) + "\n")
        draw(results, output / "gradients.png")
        for result in results:
            typer.echo(result.summary())
        typer.echo(f"wrote {output / 'gradients.png'}")


if __name__ == "__main__":
    app()

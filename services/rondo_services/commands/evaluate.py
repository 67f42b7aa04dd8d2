"""`rondo evaluate`: a service on a data set's split or a labelled file, measured, with a report."""

import json
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from filelock import FileLock, Timeout

from ..client.errors import ConnectionFailed, ServerError
from ..command_errors import errors_as_messages
from ..errors import InvalidInput
from .evaluation_checks import (
    check_compression,
    check_languages,
    check_measured,
    check_own_data,
    check_running_text,
    check_stemmed_rouge,
    check_tokenized_bleu,
)
from .job_options import (
    Bundle,
    ChunkSize,
    Compressed,
    EngineOption,
    Format,
    From,
    IdColumn,
    Key,
    MaxErrors,
    PrecisionOption,
    RayAddress,
    Server,
    Settings,
    TextColumn,
    Threads,
    To,
    Workers,
    checked,
    service_options,
)
from .job_runs import Where, check_where, completed

if TYPE_CHECKING:
    from ..datasets.examples import Split
    from ..evaluation.adaptation import Adaptation
    from ..jobs.spec import JobSpec

_TASKS = ("sentiment", "translation", "summarization", "compression", "generation", "perplexity")
_JOB_FOLDER = ".job"
_LOCK = ".lock"


def evaluate(
    context: typer.Context,
    task: Annotated[str, typer.Option(help=f"{', '.join(_TASKS)}.")],
    data: Annotated[str, typer.Option(help="A named data set (docs/data.md), looked for in RONDO_DATA; or your file.")],
    output: Annotated[Path, typer.Option(help="Folder for predictions.jsonl, report.json, report.html, report.md.")],
    split: Annotated[str | None, typer.Option(help="Of a named data set: train, dev or test (the default).")] = None,
    direction: Annotated[str, typer.Option(help="Of a named data set's pairs: forward or backward.")] = "forward",
    to: To = None,
    from_: From = None,
    beam_size: Annotated[int | None, typer.Option(help="Hypotheses kept.")] = None,
    length_penalty: Annotated[float | None, typer.Option(help="Above 1: longer texts win.")] = None,
    rerank: Annotated[float | None, typer.Option(help="Weight of the model that translates back.")] = None,
    tokenized_bleu: Annotated[
        bool, typer.Option("--tokenized-bleu", help="Of translation: lowercased, tokenised BLEU, too (docs/batch.md).")
    ] = False,
    stemmed_rouge: Annotated[
        bool, typer.Option("--stemmed-rouge", help="Of English summaries: ROUGE of stemmed words, too (docs/batch.md).")
    ] = False,
    adapt: Annotated[
        str | None,
        typer.Option(
            help="Of running text: cache or dynamic, the model takes to it (docs/batch.md); --set its values."
        ),
    ] = None,
    settings: Settings = None,
    text: TextColumn = "text",
    expected: Annotated[
        str | None, typer.Option("--expected", help="Of your file: the column of right labels, or of references.")
    ] = None,
    id_column: IdColumn = None,
    format_: Format = "auto",
    compression: Compressed = "auto",
    limit: Annotated[
        int, typer.Option(min=0, help="Only the first so many records (of running text: documents); 0 all.")
    ] = 0,
    max_errors: MaxErrors = None,
    chunk: ChunkSize = 512,
    workers: Workers = 1,
    threads: Threads = 1,
    precision: PrecisionOption = "auto",
    engine: EngineOption = "processes",
    ray_address: RayAddress = "local",
    server: Server = "",
    api_key: Key = "",
    baselines: Annotated[bool, typer.Option(help="Of a named data set: run the baselines side by side.")] = True,
    bundle: Bundle = None,
) -> None:
    """Measure a service. Run again after a stop, and it goes on."""
    from ..datasets.catalog import DATA_SETS
    from ..jobs.spec import JobInput, JobSpec

    with errors_as_messages(ServerError, ConnectionFailed):
        if task not in _TASKS:
            raise InvalidInput(f"unknown task {task!r}; choose among {', '.join(_TASKS)}")
        own = service_options(to, from_, settings or [])
        given = {"beam_size": beam_size, "length_penalty": length_penalty, "rerank": rerank}
        own.update((name, value) for name, value in given.items() if value is not None)
        if stemmed_rouge:
            check_stemmed_rouge(task, data)
        if task == "compression":
            check_compression(context, is_named=data in DATA_SETS)
            _evaluate_compression(data, split or "test", bundle, output, limit, baselines=baselines)
            return
        if data not in DATA_SETS:
            check_own_data(task, data, split, expected)
        named = _named(task, data, split or "test", direction) if data in DATA_SETS else None
        folder = output / _JOB_FOLDER
        where = Where(folder, server, api_key, bundle, workers, threads, precision, engine, ray_address)
        if named is not None and task in ("generation", "perplexity"):
            check_running_text(context, is_adapted=adapt is not None)
            _evaluate_running_text(named, where, output, limit, _adaptation(adapt, own), baselines=baselines)
            return
        check_where(context)
        if adapt is not None:
            raise InvalidInput("--adapt is of a named data set's running text; leave it out")
        if named is not None:
            check_languages(own, named.options)
            own = {**named.options, **own}
        if task == "translation" and "target" not in own:
            raise InvalidInput("say which language to translate into: --to en, --to de or --to ko")
        if tokenized_bleu:
            check_tokenized_bleu(task, own)
        records = checked(
            JobInput,
            source=data if named is None else f"data:{data}/{named.split}",
            format=format_,
            compression=compression,
            text=text,
            expected=expected,
            id=id_column,
            direction=direction,
            limit=limit,
        )
        spec = checked(
            JobSpec,
            service=task,
            input=records,
            options=own,
            evaluate=True,
            max_errors=max_errors,
            chunk=chunk,
        )
        further = _Further(tokenized_bleu=tokenized_bleu, stemmed_rouge=stemmed_rouge)
        _evaluate(spec, where, output, named if baselines else None, further)


@dataclass(frozen=True, slots=True)
class _Named:
    """A named data set's split, and what it says of how to answer it."""

    data: str
    split: "Split"
    root: Path
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Further:
    """Metrics that are asked for beside those of every report."""

    tokenized_bleu: bool
    stemmed_rouge: bool


def _named(task: str, data: str, split: str, direction: str) -> _Named:
    from ..datasets.files import data_root
    from ..evaluation.named_data import options_of

    if direction not in ("forward", "backward"):
        raise InvalidInput(f"direction must be forward or backward, not {direction!r}")
    own = _split(split)
    return _Named(data, own, root := data_root(), options_of(task, data, own, direction, root))


def _split(name: str) -> "Split":
    from ..datasets.examples import SPLITS

    for own in SPLITS:
        if own == name:
            return own
    raise InvalidInput(f"unknown split {name!r}; choose among {', '.join(SPLITS)}")


def _evaluate(spec: "JobSpec", where: Where, output: Path, named: _Named | None, further: _Further) -> None:
    """As a job; with the baselines of a named data set."""
    from ..evaluation.named_baselines import check_baselines
    from ..evaluation.report import PREDICTIONS, REPORT
    from ..jobs.finishing import ERRORS

    if named is not None:
        check_baselines(spec.service, named.data, named.root, named.split)
    nothing: InvalidInput | None = None
    with _alone(output):
        with completed(spec, where, output / ERRORS) as done:  # whose answers stay until the report is whole
            for name in done.files:
                done.fetch(name, output / name)
            _delete_others(output, done.files)
            report = json.loads((output / REPORT).read_text(encoding="utf-8"))
            try:
                check_measured(report, output / PREDICTIONS)
            except InvalidInput as error:  # and so it would again: the job is done, and forgotten
                nothing = error
            else:
                _measure_further(report, spec, output, named, further)
        if nothing is not None:
            raise nothing
    _show(report, output)


@contextmanager
def _alone(output: Path) -> Iterator[None]:
    """Make the folder, into which no other evaluation writes within the `with` statement.

    Raises:
        InvalidInput: one does.
    """
    output.mkdir(parents=True, exist_ok=True)
    path = output / _LOCK
    try:
        held = FileLock(path).acquire(timeout=0)
    except Timeout as error:
        raise InvalidInput(f"{output}: another evaluation writes into it; wait, or name another --output") from error
    with held:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _measure_further(
    report: dict[str, Any], spec: "JobSpec", output: Path, named: _Named | None, further: _Further
) -> None:
    """What is asked for beside a job's report, which is written anew with it."""
    from ..evaluation.named_baselines import baselines_of
    from ..evaluation.report import PREDICTIONS, write_report
    from ..evaluation.stemmed_rouge import stemmed_rouge
    from ..evaluation.tokenized_bleu import tokenized_bleu

    if not (further.tokenized_bleu or further.stemmed_rouge or named is not None):
        return
    with (output / PREDICTIONS).open(encoding="utf-8") as file:
        lines = list(map(json.loads, file))
    if further.tokenized_bleu:
        tokenized_bleu(lines, spec.options["target"]).put_into(report)
    if further.stemmed_rouge:
        stemmed_rouge(lines).put_into(report)
    if named is not None:
        typer.echo("learning and measuring the baselines; --no-baselines goes without", err=True)
        measured = baselines_of(
            spec.service,
            named.data,
            named.root,
            named.split,
            lines,
            named.options,
            with_stemmed_rouge=further.stemmed_rouge,
        )
        report.update(measured.as_record())
    write_report(output, report)


def _adaptation(name: str | None, settings: Mapping[str, Any]) -> "Adaptation | None":
    from ..evaluation.adaptation import adaptation_of

    return None if name is None else adaptation_of(name, settings)


def _evaluate_running_text(
    named: _Named, where: Where, output: Path, limit: int, adaptation: "Adaptation | None", *, baselines: bool
) -> None:
    if where.server:
        raise InvalidInput("running text is read by this machine; leave out the server (--server, RONDO_SERVER)")
    from ..evaluation.dynamic_evaluation import DynamicEvaluation
    from ..evaluation.running_text import WRITTEN, RunningText, evaluate_running_text
    from ..local import OFFLINE, load_suite
    from ..server.settings import default_bundle

    text = RunningText.read(named.root, named.data, named.split, limit)
    needs_train = baselines or isinstance(adaptation, DynamicEvaluation)
    train = RunningText.read(named.root, named.data, "train") if needs_train else None
    with _alone(output):
        suite = load_suite(where.bundle or default_bundle(), ["generation"], limits=OFFLINE)
        try:
            report = evaluate_running_text(suite, text, train, output, adaptation=adaptation, with_baseline=baselines)
        finally:
            suite.close()
        _delete_others(output, WRITTEN)
    _show(report, output)


def _evaluate_compression(
    data: str, split: str, bundle: Path | None, output: Path, limit: int, *, baselines: bool
) -> None:
    from ..datasets.files import data_root
    from ..evaluation.compression import WRITTEN, TaggedTexts, evaluate_compression
    from ..local import OFFLINE, load_suite
    from ..server.settings import default_bundle

    texts = TaggedTexts.read(data_root(), data, _split(split), limit)
    with _alone(output):
        suite = load_suite(bundle or default_bundle(), ["compression"], limits=OFFLINE)
        try:
            report = evaluate_compression(suite, texts, output, with_baselines=baselines)
        finally:
            suite.close()
        _delete_others(output, WRITTEN)
    _show(report, output)


def _delete_others(output: Path, written: Collection[str]) -> None:
    """Delete what an earlier evaluation left in the folder and this one did not write."""
    from ..evaluation.pages.writing import PAGES
    from ..evaluation.report import PREDICTIONS, REPORT
    from ..jobs.finishing import ERRORS

    for name in (PREDICTIONS, ERRORS, REPORT, *PAGES):
        if name not in written:
            (output / name).unlink(missing_ok=True)


def _show(report: Mapping[str, Any], output: Path) -> None:
    """The figures, and where the rest is."""
    names = ("metrics", "intervals", "baselines", "baselines_left_out", "signature")
    shown = {name: report[name] for name in names if report.get(name)}
    json.dump(shown, sys.stdout, indent=1, ensure_ascii=False)
    bad = f", {report['num_errors']} could not be answered" if report["num_errors"] else ""
    time = "" if report["seconds"] is None else f" in {report['seconds']} s"
    typer.echo(f"\n{report['num_examples']} examples{time}{bad}; wrote {output}")

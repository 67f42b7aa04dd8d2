"""`rondo batch`: a whole file through a service, however long it takes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from ..client.errors import ConnectionFailed, ServerError
from ..command_errors import errors_as_messages
from ..errors import InvalidInput
from .job_options import (
    Bundle,
    ChunkSize,
    Compressed,
    EngineOption,
    Format,
    From,
    IdColumn,
    Key,
    Limit,
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
    from ..jobs.spec import JobInput


def batch(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help="sentiment, translation, summarization, generation or perplexity.")],
    source: Annotated[str, typer.Argument(help="File or URL, data:NAME/SPLIT, or - for standard input.")],
    output: Annotated[Path, typer.Option(help="JSONL file to write; what could not be answered goes beside it.")],
    to: To = None,
    from_: From = None,
    settings: Settings = None,
    text: TextColumn = "text",
    id_column: IdColumn = None,
    format_: Format = "auto",
    compression: Compressed = "auto",
    limit: Limit = 0,
    max_errors: MaxErrors = None,
    chunk: ChunkSize = 512,
    workers: Workers = 1,
    threads: Threads = 1,
    precision: PrecisionOption = "auto",
    engine: EngineOption = "processes",
    ray_address: RayAddress = "local",
    server: Server = "",
    api_key: Key = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write over an output that is there.")] = False,
    bundle: Bundle = None,
) -> None:
    """Put a whole file through a service. Run again after a stop, and it goes on; the output is the same."""
    from ..jobs.finishing import ERRORS, PREDICTIONS
    from ..jobs.spec import JobInput, JobService, JobSpec

    with errors_as_messages(ServerError, ConnectionFailed):
        services = [name for name in get_args(JobService) if name != "requests"]  # those are a server's
        if service not in services:
            raise InvalidInput(f"unknown service {service!r}; choose among {', '.join(services)}")
        own = checked(
            JobInput,
            source=source,
            format=format_,
            compression=compression,
            text=text,
            id=id_column,
            limit=limit,
        )
        options = service_options(to, from_, settings or [])
        spec = checked(JobSpec, service=service, input=own, options=options, max_errors=max_errors, chunk=chunk)
        check_where(context)
        bad = output.with_name(f"{output.name}.errors")
        _check_output(output, bad, own, overwrite=overwrite)
        output.parent.mkdir(parents=True, exist_ok=True)
        folder = output.with_name(f".{output.name}.job")
        where = Where(folder, server, api_key, bundle, workers, threads, precision, engine, ray_address)
        with completed(spec, where, bad) as done:
            bad.unlink(missing_ok=True)
            if ERRORS in done.files:
                done.fetch(ERRORS, bad)
            done.fetch(PREDICTIONS, output)  # last: where it is, all is
        typer.echo(f"{done.num_answered} records answered; wrote {output}", err=True)
        if done.num_bad:
            typer.echo(f"{done.num_bad} could not be; {bad} says why", err=True)


def _check_output(output: Path, bad: Path, source: "JobInput", *, overwrite: bool) -> None:
    """Nothing is written over that has to stay."""
    from ..jobs.inputs.sources import local_path

    if output.is_dir():
        raise InvalidInput(f"{output} is a folder; name a file")
    path = local_path(source.source)
    for own in (output, bad):
        if path is not None and path.exists() and own.exists() and path.samefile(own):
            raise InvalidInput(f"{source.source} is the input, and {own} would be written over it; name another output")
    if output.exists() and not overwrite:
        raise InvalidInput(f"{output} is there already; --overwrite writes over it")

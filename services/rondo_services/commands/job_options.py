"""Options that the commands for whole files share, and how a job of this machine is run for them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from ..errors import InvalidInput

if TYPE_CHECKING:
    from rondo_models.config import Precision


M = TypeVar("M", bound=BaseModel)

Bundle = Annotated[Path | None, typer.Option(help="Bundle folder; by default the one that comes with Rondo.")]
Format = Annotated[str, typer.Option("--format", help="jsonl, csv, tsv, parquet or text; auto: by the ending.")]
Compressed = Annotated[str, typer.Option("--compression", help="none, gzip, xz or zstd; auto: by the ending.")]
TextColumn = Annotated[str, typer.Option("--text", help="Column of the texts.")]
IdColumn = Annotated[str | None, typer.Option("--id", help="Column that is copied to the output.")]
To = Annotated[str | None, typer.Option("--to", help="Of translation: en, de, ko or fr, as the bundle has them.")]
From = Annotated[str | None, typer.Option("--from", help="Of translation: auto, en, de, ko or fr.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="An option of the service, as beam_size=1; may be repeated.")
]
Limit = Annotated[int, typer.Option(min=0, help="Only the first so many records; 0 all.")]
MaxErrors = Annotated[int | None, typer.Option(min=0, help="Give up once more records than this can't be answered.")]
ChunkSize = Annotated[int, typer.Option("--chunk", min=1, max=10_000, help="Records that are written down together.")]
Workers = Annotated[int, typer.Option(min=1, max=256, help="Processes, each with an engine of its own.")]
Threads = Annotated[int, typer.Option(min=1, help="Of the matrix kernels of each worker.")]
EngineOption = Annotated[
    str, typer.Option("--engine", help="processes of this machine, or ray: actors of Ray Data (--workers of them).")
]
RayAddress = Annotated[
    str, typer.Option(envvar="RAY_ADDRESS", help="Cluster for --engine ray; local: one that is started for this.")
]
Server = Annotated[
    str,
    typer.Option(envvar="RONDO_SERVER", help="Have this server do it, as http://HOST:PORT."),
]
Key = Annotated[str, typer.Option(envvar="RONDO_API_KEY", help="The server's key.")]
PrecisionOption = Annotated[
    str, typer.Option("--precision", help="float32, mixed, int16 or bfloat16; auto: what is fast here.")
]


def checked_precision(name: str) -> "Precision | None":
    """None for "auto".

    Raises:
        InvalidInput: there is none of that name.
    """
    from rondo_models.config import PRECISIONS

    chosen: dict[str, Precision | None] = {"auto": None, **{known: known for known in PRECISIONS}}
    if name not in chosen:
        raise InvalidInput(f"precision must be {', '.join(chosen)}, not {name!r}")
    return chosen[name]


def checked(kind: type[M], **fields: Any) -> M:
    """A model of the fields.

    Raises:
        InvalidInput: lists what can't be.
    """
    try:
        return kind(**fields)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise InvalidInput(wrong) from error


def service_options(to: str | None, source: str | None, given: Sequence[str]) -> dict[str, Any]:
    """What was given; values of --set are JSON, and what is no JSON is text.

    Raises:
        InvalidInput: one is not NAME=VALUE, or is given twice.
    """
    options: dict[str, Any] = {}
    if to is not None:
        options["target"] = to
    if source is not None:
        options["source"] = source
    for own in given:
        name, equals, value = own.partition("=")
        if not equals:
            raise InvalidInput(f"--set {own}: expected NAME=VALUE")
        if name in options:
            raise InvalidInput(f"--set {own}: {name} is given twice")
        try:
            options[name] = json.loads(value)
        except json.JSONDecodeError:
            options[name] = value
    return options

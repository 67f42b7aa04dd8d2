"""`rondo compare`: which of several results on the same data is better, and whether that may be luck."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ..command_errors import errors_as_messages
from ..errors import InvalidInput


def compare(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders that `rondo evaluate` wrote; each is compared with the first.")
    ],
    metrics: Annotated[str | None, typer.Option(help="Only these, comma-separated, as bleu,chrf.")] = None,
    resamples: Annotated[
        int, typer.Option(min=1, help="Of the bootstrap; the randomization takes ten times as many.")
    ] = 1000,
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write the figures to, as JSON.")] = None,
    markdown_file: Annotated[
        Path | None, typer.Option("--markdown", help="File to write the tables to, as Markdown.")
    ] = None,
) -> None:
    """Compare results on the same data, with tests of whether a difference may be luck."""
    from rich.console import Console

    from ..evaluation.comparison import compare as compared
    from ..evaluation.comparison_views import markdown, table

    with errors_as_messages():
        for option, file in (("--json", json_file), ("--markdown", markdown_file)):
            if file is not None and not file.parent.is_dir():
                raise InvalidInput(f"{option} {file}: there is no folder {file.parent}")
        chosen = None if metrics is None else [name.strip() for name in metrics.split(",") if name.strip()]
        comparison = compared(*folders, metrics=chosen, num_resamples=resamples)
        if json_file is not None:
            values = json.dumps(comparison.as_record(), indent=1, ensure_ascii=False, allow_nan=False)
            json_file.write_text(f"{values}\n", encoding="utf-8")
        if markdown_file is not None:
            markdown_file.write_text(markdown(comparison), encoding="utf-8")
        Console(highlight=False).print(table(comparison))

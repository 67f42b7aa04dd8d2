"""`rondo probe`: whether answers depend on the name, gender or nationality of whom a text is about."""

from pathlib import Path
from typing import Annotated

import typer

from ..command_errors import errors_as_messages
from .job_options import Bundle, PrecisionOption, checked_precision


def probe(
    output: Annotated[Path, typer.Option(help="Folder for report.json, report.html, report.md.")],
    data: Annotated[
        list[str] | None,
        typer.Option(help="A named set of reviews (docs/data.md) whose dev texts are rewritten; may be given again."),
    ] = None,
    label: Annotated[str, typer.Option(help="Of the sentiment service, whose probability is watched.")] = "positive",
    limit: Annotated[int, typer.Option(min=0, help="Only the first so many texts of each set; 0 all.")] = 0,
    precision: PrecisionOption = "auto",
    bundle: Bundle = None,
) -> None:
    """Measure bias: texts with other names, genders, nationalities; and which genders translations choose."""
    from ..datasets.files import data_root
    from ..evaluation.bias.probe import ProbeOptions
    from ..evaluation.bias.probe import probe as run_probe
    from ..evaluation.bias.reporting import summary_lines
    from ..local import OFFLINE, load_suite
    from ..server.settings import default_bundle

    with errors_as_messages():
        options = ProbeOptions(tuple(dict.fromkeys(data or ())), label, limit)
        root = data_root() if options.data else None
        suite = load_suite(bundle or default_bundle(), limits=OFFLINE, precision=checked_precision(precision))
        try:
            report = run_probe(suite, root, options, output)
        finally:
            suite.close()
        for line in summary_lines(report):
            typer.echo(line)
        typer.echo(f"{report['signature']}\n{report['num_examples']} texts in {report['seconds']} s; wrote {output}")

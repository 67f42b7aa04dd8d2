"""`rondo config`: which settings hold, and what set them."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from ..command_errors import errors_as_messages
from .setting_flags import Flags, takes_setting_flags

config_app = typer.Typer(no_args_is_help=True, help="Settings of a server or worker (docs/serving.md).")


@config_app.command("show")
@takes_setting_flags
def show(
    flags: Flags,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object, with each setting's value and source.")
    ] = False,
) -> None:
    """Show each setting, its value, and what set it, for `rondo serve` with the same flags. Secrets stay hidden."""
    from ..server.configuration import read_configuration

    with errors_as_messages():
        configuration = read_configuration(**flags)
    names = type(configuration.settings).model_fields
    if as_json:
        shown = {
            name: {
                "value": configuration.shown(name),
                "source": configuration.origin(name),
                "overrides": list(configuration.origins.get(name, ())[1:]),
            }
            for name in names
        }
        typer.echo(json.dumps(shown, indent=1, ensure_ascii=False, default=str))
        return
    table = Table("name", Column("value", overflow="fold"), Column("source", overflow="fold"), box=None)
    for name in names:
        overridden = configuration.origins.get(name, ())[1:]
        source = ", over ".join((configuration.origin(name), *overridden))
        table.add_row(name, _text(configuration.shown(name)), source)
    Console(width=None if Console().is_terminal else 10_000, highlight=False, markup=False).print(table)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ",".join(f"{name}={one}" for name, one in value.items())
    return str(value)

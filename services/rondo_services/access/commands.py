"""`rondo keys`: make, show and revoke keys. A server that runs takes them over within a second."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..command_errors import errors_as_messages
from .key_file import KeyFile
from .keys import Allowance, KeyRecord, expiry
from .usage import Usage, UsageBook

keys_app = typer.Typer(no_args_is_help=True, help="Keys of those who may use a server (docs/access.md).")

FolderOption = Annotated[
    Path | None, typer.Option("--state-dir", help="Where the server keeps its keys; by default its setting state_dir.")
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="The server's file of settings.")]
LimitOption = Annotated[int | None, typer.Option(min=1)]


def _folder(given: Path | None, config: Path | None) -> Path:
    from ..server.configuration import read_configuration

    return read_configuration(state_dir=given, config=config).settings.state_dir


@keys_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Whose it is; several keys may have the same name.")],
    requests_per_minute: LimitOption = None,
    requests_per_day: LimitOption = None,
    characters_per_day: LimitOption = None,
    admin: Annotated[bool, typer.Option("--admin", help="It may exchange bundles, too (docs/serving.md).")] = False,
    expires: Annotated[str | None, typer.Option(help="90d, 12h, or a date or time as 2031-05-01 (UTC).")] = None,
    state_dir: FolderOption = None,
    config: ConfigOption = None,
) -> None:
    """Make a key. It is shown once, alone on standard output, and only its hash is kept."""
    with errors_as_messages():
        now = datetime.now(UTC)
        allowance = Allowance(
            requests_per_minute=requests_per_minute,
            requests_per_day=requests_per_day,
            characters_per_day=characters_per_day,
        )
        file = KeyFile(_folder(state_dir, config))
        expires_at = None if expires is None else expiry(expires, now)
        record, key = file.create(name, allowance, expires_at, now, admin=admin)
    typer.echo(f"key {record.id} of {record.name}, kept hashed in {file.path}; it can't be shown again:", err=True)
    typer.echo(key)


@keys_app.command("list")
def show(state_dir: FolderOption = None, config: ConfigOption = None) -> None:
    """Show all keys, their limits, and what they have used today (UTC)."""
    with errors_as_messages():
        folder = _folder(state_dir, config)
        records, now = KeyFile(folder).read(), datetime.now(UTC)
        used = UsageBook(folder).of(now.date())
    table = Table(
        "id", "name", "created", "expires", "requests/minute", "requests/day", "characters/day", "admin", box=None
    )
    for record in records:
        table.add_row(*_row(record, used.get(record.id, Usage()), now))
    console = Console(width=None if Console().is_terminal else 160)
    console.print(table if records else f"no keys in {folder}", soft_wrap=not records, highlight=False)


@keys_app.command("revoke")
def revoke(
    name_or_id: Annotated[str, typer.Argument(help="An id, or a name that only one key has.")],
    state_dir: FolderOption = None,
    config: ConfigOption = None,
) -> None:
    """Make a key invalid at once."""
    with errors_as_messages():
        record = KeyFile(_folder(state_dir, config)).revoke(name_or_id)
    typer.echo(f"revoked key {record.id} of {record.name}")


def _row(record: KeyRecord, used: Usage, now: datetime) -> list[str]:
    limits = record.allowance
    ends = "never" if record.expires_at is None else f"{record.expires_at:%Y-%m-%d %H:%M}"
    if record.is_expired(now.timestamp()):
        ends = f"expired {ends}"
    return [
        record.id,
        record.name,
        f"{record.created_at:%Y-%m-%d}",
        ends,
        _of("", limits.requests_per_minute),
        _of(f"{used.requests} of ", limits.requests_per_day),
        _of(f"{used.characters} of ", limits.characters_per_day),
        "yes" if record.admin else "",
    ]


def _of(used: str, most: int | None) -> str:
    return f"{used}{'any' if most is None else most}"

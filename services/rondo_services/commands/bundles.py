"""`rondo bundle status`, `reload`, `promote`, `rollback`, `canary`: exchange what a running server serves."""

from collections.abc import Callable, Iterable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..client.bundles import BundlesClient
from ..command_errors import errors_as_messages
from ..errors import InvalidInput
from ..server.schema import BundleReply

ServerOption = Annotated[
    str, typer.Option("--server", envvar="RONDO_SERVER", help="As http://HOST:PORT; by default http://127.0.0.1:8000.")
]
KeyOption = Annotated[
    str, typer.Option("--api-key", envvar="RONDO_API_KEY", help="From `rondo keys create NAME --admin`.")
]
NameOption = Annotated[str, typer.Option("--name", help="Under which the bundle is served; by default the first.")]

_SHOWN = 12


def add_served_bundle_commands(app: typer.Typer) -> None:
    """Make them commands of `app`."""
    for command in (status, reload, canary, promote, rollback):
        app.command()(command)


def status(server: ServerOption = "", api_key: KeyOption = "") -> None:
    """Show what a server serves: releases, their shares, and how many requests they have in hand."""
    with errors_as_messages(), BundlesClient(server, api_key=api_key) as client:
        _show(client.bundles())


def reload(
    path: Annotated[str | None, typer.Argument(help="Folder on the server; by default the one that is served.")] = None,
    canary: Annotated[float | None, typer.Option(help="Share of the requests, as 0.1; by default all.")] = None,
    name: NameOption = "",
    server: ServerOption = "",
    api_key: KeyOption = "",
) -> None:
    """Have a server read a bundle, and answer with it once it is ready; no request is lost."""
    if canary is not None:
        _check_share(canary)
    _change(server, api_key, name, lambda client, own: client.reload(own, path, canary).change)


def canary(
    share: Annotated[float, typer.Argument(help="Of the requests, as 0.3; 0 ends the canary.")],
    name: NameOption = "",
    server: ServerOption = "",
    api_key: KeyOption = "",
) -> None:
    """Give a server's canary another share of the requests, or end it."""
    if share:
        _check_share(share)

    def change(client: BundlesClient, own: str) -> str:
        if share:
            client.set_canary_share(own, share)
        else:
            client.drop_canary(own)
        return "canary" if share else "canary dropped"

    _change(server, api_key, name, change)


def promote(name: NameOption = "", server: ServerOption = "", api_key: KeyOption = "") -> None:
    """Have a server's canary answer all requests."""
    _change(server, api_key, name, lambda client, own: client.promote(own).change)


def rollback(name: NameOption = "", server: ServerOption = "", api_key: KeyOption = "") -> None:
    """Have a server's former release answer again."""
    _change(server, api_key, name, lambda client, own: client.rollback(own).change)


def _change(server: str, api_key: str, name: str, change: Callable[[BundlesClient, str], str]) -> None:
    with errors_as_messages(), BundlesClient(server, api_key=api_key) as client:
        own = name or client.bundles()[0].name
        typer.echo(f"{own}: {change(client, own)}")
        _show(bundle for bundle in client.bundles() if bundle.name == own)


def _check_share(share: float) -> None:
    with errors_as_messages():
        if not 0 < share < 1:
            raise InvalidInput(f"a share is a number between 0 and 1, not {share:g}")


def _show(bundles: Iterable[BundleReply]) -> None:
    table = Table("name", "release", "version", "state", "share", "in hand", "folder", box=None)
    for bundle in bundles:
        for release in bundle.releases:
            state: str = "canary" if release.is_canary else release.state
            if not release.is_alive and release.state == "serving":
                state += ", engine down"
            table.add_row(
                bundle.name,
                release.hash[:_SHOWN],
                release.version,
                state,
                f"{release.share:g}",
                str(release.num_requests),
                release.folder,
            )
        if (former := bundle.former) is not None:
            table.add_row(bundle.name, former.hash[:_SHOWN], former.version, "former", "", "", former.folder)
        if bundle.state == "loading":
            table.add_row(bundle.name, "", "", "loading", "", "", "")
    console = Console(width=None if Console().is_terminal else 200)
    console.print(table, highlight=False)

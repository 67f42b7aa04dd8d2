"""The flags that set a server's settings, for each command that takes them. What is not given stays unset."""

import functools
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..command_errors import errors_as_messages
from ..errors import InvalidInput

Flags = dict[str, Any]
"""Settings by their names; None is not given."""
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="File of settings (TOML); by default RONDO_CONFIG, or none.")
]


def setting_flags(
    config: ConfigOption = None,
    bundle: Annotated[
        list[str] | None,
        typer.Option(
            help="Bundle folder, by default the one that comes with Rondo; NAME=FOLDER serves it under that name. "
            "Several times: several bundles, the first is the default."
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 0 any; 8000 by default.")] = None,
    services: Annotated[
        str | None, typer.Option(help="Comma-separated; empty, the default: all that the bundle has.")
    ] = None,
    engine: Annotated[str | None, typer.Option(help="process (the default) or inprocess.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Ask nobody for a key, whoever can reach HOST.")] = False,
    ssl_certfile: Annotated[Path | None, typer.Option(help="Certificate chain (PEM): serve https.")] = None,
    ssl_keyfile: Annotated[Path | None, typer.Option(help="Its private key, if that is in another file.")] = None,
    ssl_keyfile_password: Annotated[
        str | None,
        typer.Option(help="Of the private key; others can read it here: RONDO_SSL_KEYFILE_PASSWORD is better."),
    ] = None,
    proxy_headers: Annotated[
        bool | None, typer.Option("--proxy-headers", help="Believe X-Forwarded-* of --forwarded-allow-ips.")
    ] = None,
    forwarded_allow_ips: Annotated[str | None, typer.Option(help="Addresses of proxies; 127.0.0.1 by default.")] = None,
    further: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting, as max_waiting=100; may be repeated.")
    ] = None,
) -> Flags:
    """The settings that were given.

    Raises:
        InvalidInput: one of --set is not NAME=VALUE, or is given twice; a further bundle has no name, or one twice.
    """
    flags: Flags = {
        "config": config,
        **_bundles(bundle or ()),
        "host": host,
        "port": port,
        "services": services,
        "engine": engine,
        "require_key": "never" if insecure else None,
        "ssl_certfile": ssl_certfile,
        "ssl_keyfile": ssl_keyfile,
        "ssl_keyfile_password": ssl_keyfile_password,
        "proxy_headers": proxy_headers,
        "forwarded_allow_ips": forwarded_allow_ips,
    }
    return flags | _further(further or (), {name for name, value in flags.items() if value is not None})


def _bundles(given: Sequence[str]) -> Flags:
    """The settings that --bundle stands for."""
    if not given:
        return {}
    name, folder = _named(given[0])
    others = [_named(one) for one in given[1:]]
    if nameless := [folder for name, folder in others if not name]:
        raise InvalidInput(f"--bundle {nameless[0]}: further bundles are given as NAME=FOLDER")
    if len(dict(others)) < len(others):
        raise InvalidInput("--bundle: a name is given twice")
    return {"bundle": Path(folder), "bundle_name": name or None, "bundles": dict(others) or None}


def _named(given: str) -> tuple[str, str]:
    """The parts of NAME=FOLDER; a folder alone has no name."""
    name, equals, folder = given.partition("=")
    return (name, folder) if equals and "/" not in name else ("", given)


def _further(given: Sequence[str], others: set[str]) -> Flags:
    flags: Flags = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals:
            raise InvalidInput(f"--set {one}: expected NAME=VALUE")
        if name in flags or name in others:
            raise InvalidInput(f"--set {one}: {name} is given twice")
        flags[name] = value
    return flags


def takes_setting_flags(command: Callable[..., None]) -> Callable[..., None]:
    """A command with all of these as options, which it is handed as `flags`, before options of its own."""
    options = inspect.signature(setting_flags).parameters
    own = {name: one for name, one in inspect.signature(command).parameters.items() if name != "flags"}

    @functools.wraps(command)
    def with_flags(**given: Any) -> None:
        with errors_as_messages():
            flags = setting_flags(**{name: given[name] for name in options})
        command(flags, **{name: given[name] for name in own})

    with_flags.__signature__ = inspect.Signature([*options.values(), *own.values()])  # type: ignore[attr-defined]
    with_flags.__annotations__ = {name: one.annotation for name, one in [*options.items(), *own.items()]}
    return with_flags

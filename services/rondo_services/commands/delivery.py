"""`rondo bundle pull` and `rondo bundle push`. Standard output has the digest alone, for scripts."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ..command_errors import errors_as_messages

DigestOption = Annotated[str | None, typer.Option(help="sha256:…, which the bundle has to have; else it is refused.")]
PlainHttp = Annotated[
    bool | None,
    typer.Option(
        "--plain-http/--no-plain-http", help="Whether to go without encryption; by default only on this machine."
    ),
]


def bundle_pull(
    source: Annotated[
        str, typer.Argument(help="Folder, .tar, file://…, https://….tar, or oci://HOST/REPOSITORY:TAG or @sha256:….")
    ],
    output: Annotated[Path | None, typer.Option(help="Folder for the bundle; bundles/NAME by default.")] = None,
    digest: DigestOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="Let it replace another bundle there.")] = False,
    plain_http: PlainHttp = None,
) -> None:
    """Get a bundle, check all of it, put it into a folder, and print the digest that pins it (docs/bundles.md)."""
    from ..delivery.errors import DeliveryError
    from ..delivery.reference import place_of
    from ..delivery.transfer import pull
    from ..delivery.web import Web

    with _ending_in_order(), errors_as_messages(DeliveryError):
        place = place_of(source, digest, Web(plain_http))
        pulled = pull(place, output, replace=replace)
    done = "is there already:" if pulled.was_there else f"came from {place.shown}:"
    typer.echo(f"{pulled.bundle.title} {done} {pulled.bundle.folder}", err=True)
    typer.echo(pulled.digest)


def bundle_push(
    target: Annotated[
        str, typer.Argument(help="Folder, .tar, file://…, https://….tar (by PUT), or oci://HOST/REPOSITORY:TAG.")
    ],
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle folder; by default the one that comes with Rondo.")
    ] = None,
    digest: DigestOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let it replace another bundle in a folder, or a .tar.")
    ] = False,
    plain_http: PlainHttp = None,
) -> None:
    """Check a bundle, put it there, and print the digest that pins it (docs/bundles.md)."""
    from ..delivery.errors import DeliveryError
    from ..delivery.reference import place_of
    from ..delivery.transfer import push
    from ..delivery.web import Web
    from ..server.settings import default_bundle

    with _ending_in_order(), errors_as_messages(DeliveryError):
        place = place_of(target, digest, Web(plain_http))
        pushed, found = push(bundle or default_bundle(), place, replace=replace)
    typer.echo(f"{pushed.title} is at {place.shown}", err=True)
    typer.echo(found)


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Let SIGTERM, too, leave nothing behind that is half."""

    def end(number: int, frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

"""How places of bundles are written: a folder, a .tar file, their file: URLs, a URL of a .tar, and oci://."""

import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urldefrag, urlsplit

import httpx

from .archive import SUFFIX
from .archive_places import ArchiveFile, ArchiveUrl
from .digests import checked_digest
from .folder_place import FolderPlace
from .place import Shelf
from .registry_place import RegistryPlace
from .web import Web, without_credentials

FORMS = "a folder, a .tar file, file://…, https://….tar, or oci://HOST/REPOSITORY:TAG or @sha256:…"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HOST = r"(?P<host>(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?)"
_WORD = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"oci://{_HOST}/(?P<repository>{_WORD}(?:/{_WORD})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>.+))?"
)


def place_of(reference: str, digest: str | None = None, web: Web | None = None) -> FolderPlace | Shelf:
    """The place that is meant.

    Args:
        digest: what the bundle there has to have; a reference may say the same itself.

    Raises:
        ValueError: it is none, or the two digests differ.
    """
    if not reference:
        raise ValueError(f"give {FORMS}")
    scheme = _SCHEME.match(reference)
    web = web or Web()
    if scheme is None:
        return _path(Path(reference), _pin(digest))
    kind = scheme[1].lower()
    if kind == "oci":
        return _image(reference, digest, web)
    address, fragment = urldefrag(reference)
    pin = _pin(digest, _of_fragment(fragment))
    if kind == "file":
        parts = urlsplit(address)
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise ValueError(f"{reference}: a file URL is like file:///path")
        return _path(Path(unquote(parts.path)), pin)
    if kind in ("http", "https"):
        return _url(address, pin, web)
    raise ValueError(f"{reference}: {kind}:// is not known; give {FORMS}")


def _path(path: Path, pin: str | None) -> FolderPlace | Shelf:
    if str(path) == ".":
        path = path.absolute()
    return ArchiveFile(path, pin) if path.suffix == SUFFIX and not path.is_dir() else FolderPlace(path, pin)


def _url(address: str, pin: str | None, web: Web) -> FolderPlace | Shelf:
    parts = _parts(address)
    shown = without_credentials(address)
    if not parts.hostname:
        raise ValueError(f"{shown} names no host")
    if not parts.path.endswith(SUFFIX):
        raise ValueError(f"{shown}: the URL of a bundle ends in {SUFFIX}, as `rondo bundle push` makes it")
    if parts.scheme != "https" and not web.may_be_plain(parts.hostname):
        raise ValueError(f"{shown}: not encrypted; use https, or allow it with --plain-http")
    return ArchiveUrl(address, pin, web)


def _image(reference: str, digest: str | None, web: Web) -> FolderPlace | Shelf:
    found = _IMAGE.fullmatch(reference)
    if found is None:
        raise ValueError(f"{reference}: a registry's place is like oci://HOST[:PORT]/repository:tag or …@sha256:…")
    pin = _pin(digest, found["digest"])
    if not found["tag"] and pin is None:
        raise ValueError(f"{reference}: give a tag or a digest")
    _parts(f"https://{found['host']}")
    return RegistryPlace(found["host"].lower(), found["repository"], found["tag"] or "", pin, web)


def _parts(url: str) -> SplitResult:
    """A URL's, if both libraries that read it can."""
    try:
        parts = urlsplit(url)
        _ = parts.port, httpx.URL(url)
    except (ValueError, httpx.InvalidURL) as error:
        reason = "it is no URL" if "@" in url else str(error)  # which might be a piece of a password
        raise ValueError(f"the address can't be read: {reason}") from error
    return parts


def _of_fragment(fragment: str) -> str | None:
    if not fragment:
        return None
    name, _, value = fragment.partition("=")
    if name != "sha256":
        raise ValueError(f"#{fragment}: only #sha256=… can follow a URL")
    return f"sha256:{value}"


def _pin(*digests: str | None) -> str | None:
    given = {checked_digest(digest) for digest in digests if digest is not None}
    if len(given) > 1:
        raise ValueError(f"two digests are given that differ: {' and '.join(sorted(given))}")
    return given.pop() if given else None

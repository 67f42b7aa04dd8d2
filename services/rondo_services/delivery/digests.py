"""Digests as `sha256:` and 64 hexadecimal digits, and streams that are checked against them."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from .errors import Unsafe, WrongDigest

CHUNK_BYTES = 1 << 20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def checked_digest(text: str) -> str:
    """The digest, in small letters.

    Raises:
        ValueError: it is none.
    """
    digest = text.lower()
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"a digest is sha256: and 64 hexadecimal digits, not {text!r}")
    return digest


def digest_of(content: bytes) -> str:
    """Of bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def digest_of_stream(chunks: Iterable[bytes]) -> str:
    """Of all chunks together."""
    hashed = hashlib.sha256()
    for chunk in chunks:
        hashed.update(chunk)
    return f"sha256:{hashed.hexdigest()}"


def chunks_of(path: Path) -> Iterator[bytes]:
    """A file's content, piece by piece."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def bounded(chunks: Iterable[bytes], most: int, what: str) -> Iterator[bytes]:
    """The same chunks.

    Raises:
        Unsafe: they are more than `most` bytes.
    """
    count = 0
    for chunk in chunks:
        count += len(chunk)
        if count > most:
            raise Unsafe(f"{what} is larger than {most} bytes")
        yield chunk


def require_digest(found: str, wanted: str | None, what: str) -> None:
    """Check what was found against what was asked for, if anything was.

    Raises:
        WrongDigest: they differ.
    """
    if wanted is not None and found != wanted:
        raise WrongDigest(f"{what} has the digest {found}, not {wanted}")

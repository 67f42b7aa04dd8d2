"""The files of a bundle that is delivered, and which names and sizes are let in. Knows no place that they come from."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rondo_models.manifest import MANIFEST, BundleError, Manifest, read_contents
from rondo_models.manifest_entries import is_file_name

from .digests import chunks_of, digest_of_stream
from .errors import Unsafe

MOST_FILES = 1000
MOST_BYTES = 16 << 30
"""A bundle has no more, whatever a server sends."""
MOST_MANIFEST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file: its path below the bundle's folder, with slashes, and its content's size and digest."""

    name: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class WholeBundle:
    """A folder whose files are all there and what its manifest says."""

    folder: Path
    manifest: Manifest
    fingerprint: str
    files: tuple[BundleFile, ...]

    @property
    def title(self) -> str:
        """Its name and version."""
        return f"{self.manifest.name} {self.manifest.version}"


def whole_bundle(folder: Path) -> WholeBundle:
    """What a folder holds, its manifest first; files that the manifest does not list are left out.

    Raises:
        BundleError: a file is missing or is not what the manifest says.
        Unsafe: a name leads out of the folder, or is none that we write.
    """
    contents = read_contents(folder)
    names = [MANIFEST, *sorted(contents.files)]
    check_names(names)
    digests = {name: f"sha256:{digest}" for name, digest in contents.files.items()}
    digests[MANIFEST] = digest_of_stream(chunks_of(folder / MANIFEST))
    files = (BundleFile(name, (folder / name).stat().st_size, digests[name]) for name in names)
    return WholeBundle(folder, contents.manifest, contents.fingerprint, tuple(files))


def check_names(names: Iterable[str]) -> None:
    """Each has to lead to a file in the bundle's folder, and to come once, and none can be a folder of another.

    Raises:
        Unsafe: one does not, or they are too many.
    """
    found: set[str] = set()
    folders: set[str] = set()
    for name in names:
        if not is_file_name(name):
            raise Unsafe(f"a bundle has no file of the name {name!r}")
        if name in found:
            raise Unsafe(f"{name} comes twice")
        found.add(name)
        folders.update(str(folder) for folder in PurePosixPath(name).parents)
        if len(found) > MOST_FILES:
            raise Unsafe(f"a bundle has no more than {MOST_FILES} files")
    if both := sorted(found & folders):
        raise Unsafe(f"{both[0]} is both a file and a folder")


def require_listed(names: Iterable[str], manifest: bytes) -> Mapping[str, str]:
    """Digests of the files that a manifest lists, if these are the names, besides its own.

    Raises:
        BundleError: it is no manifest, or lists a file that is not among them.
        Unsafe: one of them is not listed.
    """
    try:
        listed = json.loads(manifest)["files"]
        digests = {str(name): f"sha256:{digest}" for name, digest in listed.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(f"{MANIFEST} is none of a bundle") from error
    given = set(names) - {MANIFEST}
    if foreign := sorted(given - set(digests)):
        raise Unsafe(f"{', '.join(foreign)} is not listed in {MANIFEST}")
    if missing := sorted(set(digests) - given):
        raise BundleError(f"{MANIFEST} lists {', '.join(missing)}, which did not come")
    return digests


def write_file(path: Path, chunks: Iterable[bytes]) -> str:
    """Write a file that is not there yet, to the disk, and tell its digest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hashed = hashlib.sha256()
    with path.open("xb") as file:
        for chunk in chunks:
            hashed.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return f"sha256:{hashed.hexdigest()}"

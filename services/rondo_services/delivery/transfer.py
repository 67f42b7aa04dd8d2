"""Getting a bundle from a place, and putting one there: whole, checked, and at once."""

from dataclasses import dataclass
from dataclasses import replace as moved
from pathlib import Path

from rondo_models.manifest import MANIFEST, BundleError
from rondo_models.manifest_entries import is_file_name

from .archive_places import ArchiveFile
from .digests import require_digest
from .files import WholeBundle, whole_bundle
from .folder_place import FolderPlace
from .place import Place, Shelf
from .reference import place_of
from .staging import into_place, staging
from .web import Web


@dataclass(frozen=True, slots=True)
class Pulled:
    """A bundle that is in its folder now.

    Attributes:
        digest: by which the place that it came from pins it.
        was_there: whether the folder held it already.
    """

    bundle: WholeBundle
    digest: str
    was_there: bool


def pull(place: Place, output: Path | None, *, replace: bool = False) -> Pulled:
    """Get a bundle into a folder; without one, into `bundles/` and its name.

    Args:
        replace: whether another bundle in the folder is to make room for it.

    Raises:
        DeliveryError, BundleError: it can't be had, or is not what is asked for.
        ValueError: the folder holds something else.
    """
    there = _bundle_in(output) if output is not None else None
    if there is not None and place.pin is not None and place.digest(there) == place.pin:
        return Pulled(there, place.pin, was_there=True)
    parent = output.absolute().parent if output is not None else Path("bundles")
    with staging(parent, output.name if output is not None else "bundle") as folder:
        digest = place.fetch(folder, there)
        bundle = whole_bundle(folder)
        target = output if output is not None else parent / _own_name(bundle)
        there = _bundle_in(target)
        differs = there is None or there.files != bundle.files
        if differs and not replace and (target / MANIFEST).exists():
            title = there.title if there is not None else "a bundle that is not whole"
            raise ValueError(f"{target} holds {title}; --replace puts {bundle.title} in its place")
        return _settled(folder, bundle, target, digest)


def push(folder: Path, place: FolderPlace | Shelf, *, replace: bool = False) -> tuple[WholeBundle, str]:
    """Put a folder's bundle there, and tell the digest that pins it. A registry's tag, and a URL, take the newest.

    Args:
        replace: whether another bundle in a folder, or another archive on disk, is to make room for it.

    Raises:
        DeliveryError, BundleError: it can't be put there, or is not whole.
        ValueError: something else is there.
    """
    if isinstance(place, FolderPlace):
        pulled = pull(FolderPlace(folder, place.pin), place.folder, replace=replace)
        return pulled.bundle, pulled.digest
    bundle = whole_bundle(folder)
    if isinstance(place, ArchiveFile) and not replace and place.path.exists() and not place.holds(bundle):
        raise ValueError(f"{place.shown} is there and is not the archive of {bundle.title}; --replace overwrites it")
    return bundle, place.store(bundle)


def fetched(reference: str, into: Path, web: Web | None = None) -> Path:
    """The folder of the bundle that a reference means: itself, or one in the folder `into` that has its digest's name.

    What is pinned and there already is not asked for again, unless it was damaged.

    Raises:
        DeliveryError, BundleError: it can't be had, or is not what is asked for.
        ValueError: it is no reference.
    """
    place = place_of(reference, web=web)
    if isinstance(place, FolderPlace):
        require_digest(place.digest(whole_bundle(place.folder)), place.pin, place.shown)
        return place.folder
    if place.pin is not None and (there := _bundle_in(_named(into, place.pin), is_ours=True)) is not None:
        return there.folder
    with staging(into, "bundle") as folder:
        digest = place.fetch(folder, None)
        bundle = whole_bundle(folder)
        return _settled(folder, bundle, _named(into, digest), digest, is_ours=True).bundle.folder


def _settled(folder: Path, bundle: WholeBundle, target: Path, digest: str, *, is_ours: bool = False) -> Pulled:
    """What is in its place now; somebody else who gets the same may have been faster."""
    there = _bundle_in(target, is_ours=is_ours)
    if there is None or there.files != bundle.files:
        try:
            into_place(folder, target)
            return Pulled(moved(bundle, folder=target), digest, was_there=False)
        except OSError:
            there = _bundle_in(target, is_ours=is_ours)
            if there is None or there.files != bundle.files:
                raise
    return Pulled(there, digest, was_there=True)


def _named(into: Path, digest: str) -> Path:
    return into / digest.replace(":", "-")


def _own_name(bundle: WholeBundle) -> str:
    name = bundle.manifest.name
    if "/" in name or not is_file_name(name):
        raise BundleError(f"the bundle calls itself {name!r}; give a folder for it (--output)")
    return name


def _bundle_in(folder: Path, *, is_ours: bool = False) -> WholeBundle | None:
    """The whole bundle in a folder, if there is one.

    Args:
        is_ours: whether nobody else puts anything there, so that what is no bundle is a damaged one.

    Raises:
        ValueError: something else is there.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    if not (folder / MANIFEST).is_file():
        if is_ours:
            return None
        raise ValueError(f"{folder} is there and is no bundle; choose another folder")
    try:
        return whole_bundle(folder)
    except BundleError:
        return None

"""A bundle's manifest and files, checked, without its weights. Nothing here needs torch."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .manifest_entries import check_entries
from .replacing import UNFINISHED, replace_files

SCHEMA_VERSION = 1
"""Rises when a reader of the version before could misunderstand a manifest. Entries that it may pass over, and that may
be missing, as those of `Manifest` that have a default, come and go without that."""
MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.model"
BACKBONE = "backbone.safetensors"
CARD = "README.md"
HEADS = "heads"
WEIGHTS = ".safetensors"


class BundleError(Exception):
    """A bundle's file is missing, truncated, altered or incompatible; the message names the file."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself.

    Attributes:
        services: by head name, what the service needs to know, such as its languages.
        data: the data sets trained on, each with its licence.
        scores: measured results, each with its signature.
        training: how it was trained, and at what cost.
        description: what its makers say of it: licence, intended use.
        failures: what was answered worst, of each measured data set.
        probes: for bias, each with its signature.
    """

    name: str
    version: str
    languages: tuple[str, ...]
    services: Mapping[str, Mapping[str, Any]]
    data: tuple[Mapping[str, Any], ...] = ()
    scores: tuple[Mapping[str, Any], ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    description: Mapping[str, Any] = field(default_factory=dict)
    failures: tuple[Mapping[str, Any], ...] = ()
    probes: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """What a bundle holds beside its weights.

    Attributes:
        configs: of the backbone and the heads, as plain values.
        tokenizer: the vocabulary's file.
        fingerprint: the same for the same weights, vocabulary and configs.
        files: SHA-256 of each file by its path; empty for a bundle that was never written.
        folder: where it was read, which makes it no other bundle; none for one that was never written.
    """

    manifest: Manifest
    configs: Mapping[str, Any]
    tokenizer: bytes
    fingerprint: str
    files: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = field(default=None, compare=False)


def head_file(name: str) -> str:
    """Path of a head's weights below the bundle's folder."""
    return f"{HEADS}/{name}{WEIGHTS}"


def _fingerprint(files: Mapping[str, str], configs: Mapping[str, Any]) -> str:
    weights = {name: digest for name, digest in files.items() if name != CARD}
    return hashlib.sha256(json.dumps([weights, configs], sort_keys=True).encode()).hexdigest()


def manifest_text(manifest: Manifest, configs: Mapping[str, Any], files: Mapping[str, str]) -> tuple[str, str]:
    """The manifest's file, and the bundle's fingerprint.

    Raises:
        BundleError: something in it is no JSON, such as a number that is not finite.
    """
    fingerprint = _fingerprint(files, json.loads(json.dumps(configs)))
    content = {
        "schema_version": SCHEMA_VERSION,
        "name": manifest.name,
        "version": manifest.version,
        "fingerprint": fingerprint,
        "languages": list(manifest.languages),
        "services": {name: dict(value) for name, value in manifest.services.items()},
        "configs": configs,
        "data": [dict(entry) for entry in manifest.data],
        "training": dict(manifest.training),
        "scores": [dict(score) for score in manifest.scores],
        "description": dict(manifest.description),
        "failures": [dict(failure) for failure in manifest.failures],
        "probes": [dict(probe) for probe in manifest.probes],
        "files": dict(sorted(files.items())),
    }
    try:
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", fingerprint
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{MANIFEST} can't be written: {error}") from error


def write_manifest(folder: Path, manifest: Manifest, configs: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """Write the manifest alone, and return the fingerprint; raises as `manifest_text`."""
    text, fingerprint = manifest_text(manifest, configs, files)
    replace_files(folder, {MANIFEST: text.encode()})
    return fingerprint


def rewrite_manifest(folder: Path, manifest: Manifest, card: str) -> None:
    """Replace what a bundle says of itself and its card; weights, vocabulary and configs stay.

    Raises:
        BundleError: as `manifest_text`, or the folder has no bundle.
        OSError: the files can't be written; then the bundle is as it was.
    """
    content = _read_manifest(folder)
    files = {**content["files"], CARD: hashlib.sha256(card.encode()).hexdigest()}
    text, _ = manifest_text(manifest, content["configs"], files)
    replace_files(folder, {CARD: card.encode(), MANIFEST: text.encode()})


def require_replaceable(folder: Path) -> None:
    """Check that what is in a bundle's place, if anything is, is a bundle too, whole or not: else it is somebody's.

    Raises:
        BundleError: it is not.
    """
    if not folder.exists():
        return
    if folder.is_dir():
        names = {path.name for path in folder.iterdir()}
        own = {TOKENIZER, BACKBONE, *(name for name in names if name[0] == "." and name.endswith(UNFINISHED))}
        if all(path.name.endswith((WEIGHTS, UNFINISHED)) for path in (folder / HEADS).glob("*")):
            own.add(HEADS)
        if TOKENIZER in names:
            own |= {CARD, MANIFEST}
        if names <= own or _has_manifest(folder):
            return
    raise BundleError(f"{folder} has something else than a bundle; name a new or an empty folder with --output")


def _has_manifest(folder: Path) -> bool:
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.keys() >= {"schema_version", "fingerprint"}


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder} is no bundle: {MANIFEST} is missing")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict) or content.get("schema_version") != SCHEMA_VERSION:
        found = content.get("schema_version") if isinstance(content, dict) else None
        raise BundleError(f"{path} has schema version {found}; this Rondo reads {SCHEMA_VERSION}")
    try:
        check_entries(content)
    except ValueError as error:
        raise BundleError(f"{path}: {error}") from error
    return content


def read_manifest(folder: Path) -> Manifest:
    """What a bundle says of itself, without reading its weights.

    Raises:
        BundleError: the manifest is missing or can't be read.
    """
    return _manifest(_read_manifest(folder))


def _manifest(content: Mapping[str, Any]) -> Manifest:
    return Manifest(
        content["name"],
        content["version"],
        tuple(content["languages"]),
        content["services"],
        tuple(content.get("data", ())),
        tuple(content.get("scores", ())),
        content.get("training", {}),
        content.get("description", {}),
        tuple(content.get("failures", ())),
        tuple(content.get("probes", ())),
    )


def read_checked_file(folder: Path, name: str, digest: str) -> bytes:
    path = folder / name
    if not path.is_file():
        raise BundleError(f"{path} is missing")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() == digest:
        return content
    if name.endswith(".safetensors") and _is_truncated(content):
        raise BundleError(f"{path} is truncated at {len(content)} bytes")
    raise BundleError(f"{path} was altered: its SHA-256 is not the manifest's")


def _is_truncated(content: bytes) -> bool:
    """Whether a safetensors file ends before its header or its last tensor does."""
    if len(content) < 8:
        return True
    end = 8 + int.from_bytes(content[:8], "little")
    if len(content) < end:
        return True
    try:
        header = json.loads(content[8:end])
        ends: list[int] = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        return len(content) < end + max(ends, default=0)
    except (ValueError, RecursionError, AttributeError, KeyError, IndexError, TypeError):  # it is no header
        return False


def read_contents(folder: Path) -> Contents:
    """Check that every file of a bundle is there and is what the manifest says.

    Raises:
        BundleError: one is not, or the manifest can't be.
    """
    content = _read_manifest(folder)
    files = content["files"]
    checked = {name: read_checked_file(folder, name, digest) for name, digest in files.items()}
    if _fingerprint(files, content["configs"]) != content["fingerprint"]:
        raise BundleError(f"{folder / MANIFEST} was altered: its fingerprint does not fit its configs and files")
    if TOKENIZER not in checked:
        raise BundleError(f"{folder / MANIFEST} lists no {TOKENIZER}")
    return Contents(_manifest(content), content["configs"], checked[TOKENIZER], content["fingerprint"], files, folder)

"""A bundle: one folder that holds a whole trained model, checked when it is read.

    manifest.json            schema version, configs, languages, data sets and licences, scores, hash of each file
    README.md                model card
    tokenizer.model          vocabulary; opaque here
    backbone.safetensors     the shared weights, once
    heads/NAME.safetensors   each head's own weights

Weights are stored as float16 and computed with as float32. Nothing is ever unpickled.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors

from .backbone import BackboneConfig
from .model import ConfigError, RondoModel, config_from, head_config

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.model"
BACKBONE = "backbone.safetensors"
CARD = "README.md"


class BundleError(Exception):
    """A bundle's file is missing, truncated, altered or incompatible; the message names the file."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself.

    Attributes:
        services: by head name, what the service needs to know, such as its languages.
        data: the data sets trained on, each with its licence.
        scores: measured results, each with its signature.
        training: how it was trained.
    """

    name: str
    version: str
    languages: tuple[str, ...]
    services: Mapping[str, Mapping[str, Any]]
    data: tuple[Mapping[str, Any], ...] = ()
    scores: tuple[Mapping[str, Any], ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A loaded bundle; `fingerprint` is the same for the same weights, vocabulary and configs."""

    manifest: Manifest
    model: RondoModel
    tokenizer: bytes
    fingerprint: str


def head_file(name: str) -> str:
    """Path of a head's weights below the bundle's folder."""
    return f"heads/{name}.safetensors"


def _half(module: torch.nn.Module) -> bytes:
    state = {name: value.detach().to(torch.float16).contiguous() for name, value in module.state_dict().items()}
    return save_safetensors(state)


def _fingerprint(files: Mapping[str, str], configs: Mapping[str, Any]) -> str:
    weights = {name: digest for name, digest in files.items() if name != CARD}
    return hashlib.sha256(json.dumps([weights, configs], sort_keys=True).encode()).hexdigest()


def save_bundle(folder: Path, manifest: Manifest, model: RondoModel, tokenizer: bytes, card: str) -> str:
    """Write a bundle and return its fingerprint; an existing one in `folder` is replaced."""
    contents = {
        TOKENIZER: tokenizer,
        BACKBONE: _half(model.backbone),
        CARD: card.encode(),
        **{head_file(name): _half(model.head(name)) for name in model.heads},
    }
    (folder / "heads").mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return _write_manifest(folder, manifest, model.configs(), files)


def _write_manifest(folder: Path, manifest: Manifest, configs: Mapping[str, Any], files: Mapping[str, str]) -> str:
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
        "files": dict(sorted(files.items())),
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return fingerprint


def rewrite_manifest(folder: Path, manifest: Manifest, card: str) -> None:
    """Replace what a bundle says of itself and its card; weights, vocabulary and configs stay."""
    content = _read_manifest(folder)
    (folder / CARD).write_text(card, encoding="utf-8")
    files = {**content["files"], CARD: hashlib.sha256(card.encode()).hexdigest()}
    _write_manifest(folder, manifest, content["configs"], files)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder} is no bundle: {MANIFEST} is missing")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict) or content.get("schema_version") != SCHEMA_VERSION:
        found = content.get("schema_version") if isinstance(content, dict) else None
        raise BundleError(f"{path} has schema version {found}; this Rondo reads {SCHEMA_VERSION}")
    wanted = ("name", "version", "fingerprint", "languages", "services", "configs", "files")
    if missing := [key for key in wanted if key not in content]:
        raise BundleError(f"{path} lacks {', '.join(missing)}")
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
    )


def _read_file(folder: Path, name: str, digest: str) -> bytes:
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
    header_size = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + header_size])
    except (json.JSONDecodeError, UnicodeDecodeError):
        return len(content) < 8 + header_size
    ends: list[int] = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return len(content) < 8 + header_size + max(ends, default=0)


def verify_bundle(folder: Path) -> Manifest:
    """Check that every file is there and is what the manifest says.

    Raises:
        BundleError: one is not.
    """
    content = _read_manifest(folder)
    for name, digest in content["files"].items():
        _read_file(folder, name, digest)
    if _fingerprint(content["files"], content["configs"]) != content["fingerprint"]:
        raise BundleError(f"{folder / MANIFEST} was altered: its fingerprint does not fit its configs and files")
    return _manifest(content)


def _load_weights(module: torch.nn.Module, path: Path, content: bytes) -> None:
    try:
        weights = {name: value.float() for name, value in load_safetensors(content).items()}
        module.load_state_dict(weights)
    except SafetensorError as error:
        raise BundleError(f"{path} is no safetensors file: {error}") from error
    except RuntimeError as error:
        raise BundleError(f"{path} does not fit the manifest's configs: {error}") from error


def load_bundle(folder: Path) -> Bundle:
    """Read and check a whole bundle.

    Raises:
        BundleError: a file is missing, truncated, altered or incompatible.
    """
    manifest = verify_bundle(folder)
    content = _read_manifest(folder)
    files = content["files"]
    try:
        backbone = config_from(BackboneConfig, content["configs"]["backbone"], "configs.backbone")
        heads = {
            name: head_config(values, f"configs.heads.{name}") for name, values in content["configs"]["heads"].items()
        }
    except (ConfigError, KeyError) as error:
        raise BundleError(f"{folder / MANIFEST} has a config that this Rondo can't build: {error}") from error
    parts = [TOKENIZER, BACKBONE, *(head_file(name) for name in heads)]
    if missing := [name for name in parts if name not in files]:
        raise BundleError(f"{folder / MANIFEST} lists no {', '.join(missing)}")
    model = RondoModel(backbone, heads)
    _load_weights(model.backbone, folder / BACKBONE, _read_file(folder, BACKBONE, files[BACKBONE]))
    for name in heads:
        path = head_file(name)
        _load_weights(model.head(name), folder / path, _read_file(folder, path, files[path]))
    model.eval().requires_grad_(False)
    tokenizer = _read_file(folder, TOKENIZER, files[TOKENIZER])
    return Bundle(manifest, model, tokenizer, content["fingerprint"])

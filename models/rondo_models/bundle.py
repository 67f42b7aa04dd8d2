"""A bundle: one folder that holds a whole trained model, checked when it is read.

    manifest.json            schema version, configs, languages, data sets and licences, scores, hash of each file
    README.md                model card
    tokenizer.model          vocabulary; opaque here
    backbone.safetensors     the shared weights, once
    heads/NAME.safetensors   each head's own weights

Weights are stored as float16 or, in half the bytes, as 8-bit integers (`stored_weights.py`), and computed with as
float32; they are bfloat16 numbers, for the products of `rondo_models.native`. Nothing is ever unpickled.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError

from .backbone import BackboneConfig
from .config import ConfigError, config_from
from .manifest import (
    BACKBONE,
    CARD,
    MANIFEST,
    TOKENIZER,
    BundleError,
    Contents,
    Manifest,
    head_file,
    read_checked_file,
    read_contents,
    write_manifest,
)
from .model import RondoModel, check_fits, head_config
from .stored_weights import holds_integers, read_weights, stored


@dataclass(frozen=True, slots=True)
class Bundle:
    """A loaded bundle."""

    contents: Contents
    model: RondoModel

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self.contents.manifest

    @property
    def tokenizer(self) -> bytes:
        """The vocabulary's file."""
        return self.contents.tokenizer

    @property
    def fingerprint(self) -> str:
        """The same for the same weights, vocabulary and configs."""
        return self.contents.fingerprint


def save_bundle(
    folder: Path,
    manifest: Manifest,
    model: RondoModel,
    tokenizer: bytes,
    card: str,
    *,
    in_integers: Collection[str] = (),
    before: Contents | None = None,
) -> str:
    """Write a bundle and return its fingerprint; an existing one in `folder` is replaced.

    Args:
        in_integers: files of weights that are to have 8-bit integers; the others have float16 numbers.
        before: of the bundle that the model comes from: a file whose weights are the same in it is taken over as it
            is, unless it has to become integers. If that bundle has changed since, none is.
    """
    modules = {BACKBONE: model.backbone, **{head_file(name): model.head(name) for name in model.heads}}
    contents = {
        TOKENIZER: tokenizer,
        CARD: card.encode(),
        **{
            name: _unchanged(before, name, module, in_integers)
            or stored(module.state_dict(), "int8" if name in in_integers else "float16")
            for name, module in modules.items()
        },
    }
    (folder / "heads").mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return write_manifest(folder, manifest, model.configs(), files)


def _unchanged(
    before: Contents | None, name: str, module: torch.nn.Module, in_integers: Collection[str]
) -> bytes | None:
    """The bundle's file of these weights, if it can stand for them."""
    if before is None or before.folder is None or name not in before.files:
        return None
    try:
        content = read_checked_file(before.folder, name, before.files[name])
    except BundleError:
        return None
    if name in in_integers and not holds_integers(content):
        return None
    given, own = read_weights(content), module.state_dict()
    same = given.keys() == own.keys() and all(torch.equal(given[key], own[key].cpu()) for key in own)
    return content if same else None


def _load_weights(module: torch.nn.Module, path: Path, content: bytes) -> None:
    try:
        module.load_state_dict(read_weights(content))
    except SafetensorError as error:
        raise BundleError(f"{path} is no safetensors file: {error}") from error
    except (RuntimeError, ValueError) as error:
        raise BundleError(f"{path} does not fit the manifest's configs: {error}") from error


def load_bundle(folder: Path) -> Bundle:
    """Read and check a whole bundle.

    Raises:
        BundleError: a file is missing, truncated, altered or incompatible.
    """
    contents = read_contents(folder)
    configs, files = contents.configs, contents.files
    try:
        backbone = config_from(BackboneConfig, configs["backbone"], "configs.backbone")
        heads = {name: head_config(values, f"configs.heads.{name}") for name, values in configs["heads"].items()}
        check_fits(backbone, heads)
    except (ConfigError, KeyError) as error:
        raise BundleError(f"{folder / MANIFEST} has a config that this Rondo can't build: {error}") from error
    parts = [BACKBONE, *(head_file(name) for name in heads)]
    if missing := [name for name in parts if name not in files]:
        raise BundleError(f"{folder / MANIFEST} lists no {', '.join(missing)}")
    model = RondoModel(backbone, heads)
    _load_weights(model.backbone, folder / BACKBONE, read_checked_file(folder, BACKBONE, files[BACKBONE]))
    for name in heads:
        path = head_file(name)
        _load_weights(model.head(name), folder / path, read_checked_file(folder, path, files[path]))
    model.eval().requires_grad_(False)
    return Bundle(contents, model)

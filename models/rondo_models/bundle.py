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
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

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
    manifest_text,
    read_checked_file,
    read_contents,
)
from .model import HeadConfig, RondoModel, check_fits, head_config
from .replacing import replace_files
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
    """Write a bundle and return its fingerprint; an existing one in `folder` is replaced when all of it is on the disk.

    Args:
        in_integers: files of weights that are to have 8-bit integers; the others have float16 numbers.
        before: of the bundle that the model comes from: a file whose weights are the same in it is taken over as it
            is, unless it has to become integers. If that bundle has changed since, none is.

    Raises:
        BundleError: a number is not finite; then nothing is written.
        OSError: the files can't be written; then what was there is as it was.
    """
    modules = {BACKBONE: model.backbone, **{head_file(name): model.head(name) for name in model.heads}}
    contents = {
        TOKENIZER: tokenizer,
        CARD: card.encode(),
        **{
            name: _unchanged(before, name, module, in_integers) or _stored(name, module, in_integers)
            for name, module in modules.items()
        },
    }
    files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    text, fingerprint = manifest_text(manifest, model.configs(), files)
    replace_files(folder, {**contents, MANIFEST: text.encode()})
    return fingerprint


def integer_files(contents: Contents) -> set[str]:
    """The files of a bundle's weights that have 8-bit integers.

    Raises:
        BundleError: one has changed since it was read.
    """
    assert contents.folder is not None
    names = [BACKBONE, *map(head_file, contents.configs["heads"])]
    read = {name: read_checked_file(contents.folder, name, contents.files[name]) for name in names}
    return {name for name, content in read.items() if holds_integers(content)}


def _stored(name: str, module: nn.Module, in_integers: Collection[str]) -> bytes:
    tables = [own for own, _ in module.named_buffers()]
    try:
        return stored(module.state_dict(), "int8" if name in in_integers else "float16", tables)
    except ValueError as error:
        raise BundleError(f"{name} can't be written: {error}") from error


def _unchanged(before: Contents | None, name: str, module: nn.Module, in_integers: Collection[str]) -> bytes | None:
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


def load_bundle(folder: Path) -> Bundle:
    """Read and check a whole bundle.

    Raises:
        BundleError: a file is missing, truncated, altered or incompatible, or has numbers that are not finite.
    """
    contents = read_contents(folder)
    configs, files = contents.configs, contents.files
    try:
        backbone = config_from(BackboneConfig, configs["backbone"], "configs.backbone")
        heads = {name: head_config(values, f"configs.heads.{name}") for name, values in configs["heads"].items()}
        check_fits(backbone, heads)
    except ConfigError as error:
        raise BundleError(f"{folder / MANIFEST} has a config that this Rondo can't build: {error}") from error
    parts = [BACKBONE, *(head_file(name) for name in heads)]
    if missing := [name for name in parts if name not in files]:
        raise BundleError(f"{folder / MANIFEST} lists no {', '.join(missing)}")
    weights = {name: _weights(folder, name, files[name]) for name in parts}
    model = _hollow(backbone, heads, len(weights[BACKBONE]), folder)
    _fill(model.backbone, weights[BACKBONE], folder / BACKBONE)
    for name in heads:
        _fill(model.head(name), weights[head_file(name)], folder / head_file(name))
    model.eval().requires_grad_(False)
    return Bundle(contents, model)


def _weights(folder: Path, name: str, digest: str) -> dict[str, Tensor]:
    try:
        return read_weights(read_checked_file(folder, name, digest))
    except SafetensorError as error:
        raise BundleError(f"{folder / name} is no safetensors file: {error}") from error
    except ValueError as error:
        raise BundleError(f"{folder / name}: {error}") from error


def _hollow(backbone: BackboneConfig, heads: Mapping[str, HeadConfig], num_tensors: int, folder: Path) -> RondoModel:
    """A model whose weights take no memory, so that it may be larger than there is room for.

    Args:
        num_tensors: in the backbone's file; each of its layers needs one.
    """
    layers = backbone.num_layers + backbone.encoder_layers
    if layers > num_tensors:
        raise BundleError(
            f"{folder / BACKBONE} does not fit the manifest's configs: {layers} layers of {num_tensors} weights"
        )
    try:
        with torch.device("meta"):
            return RondoModel(backbone, heads)
    except (RuntimeError, TypeError, ValueError, KeyError) as error:  # such as a name that no module can have
        raise BundleError(f"{folder / MANIFEST} has a config that this Rondo can't build: {_line(error)}") from error


def _fill(module: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Give a hollow module its weights."""
    try:
        module.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise BundleError(f"{path} does not fit the manifest's configs: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())

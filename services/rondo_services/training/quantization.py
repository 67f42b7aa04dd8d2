"""A bundle's matrices as 8-bit integers, in half the bytes; `rondo_models.stored_weights` says how."""

from dataclasses import replace
from pathlib import Path

from rondo_models.bundle import load_bundle, save_bundle

from .card import model_card
from .unmeasured import unmeasured


def quantize(source: Path, output: Path) -> str:
    """Write a bundle with the weights of another, rounded; its fingerprint.

    Manifest and card are the other's, without what was measured.

    Raises:
        BundleError: `source` can't be used.
    """
    bundle = load_bundle(source)
    told = unmeasured(bundle.manifest)
    manifest = replace(told, training={**told.training, "weights": "8-bit integers"})
    card = model_card(manifest, bundle.model.configs())
    return save_bundle(output, manifest, bundle.model, bundle.tokenizer, card, weights="int8")

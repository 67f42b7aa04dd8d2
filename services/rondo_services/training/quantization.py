"""A bundle's matrices as 8-bit integers, in half the bytes; `rondo_models.stored_weights` says how."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rondo_models.bundle import load_bundle, save_bundle
from rondo_models.manifest import BACKBONE, head_file

from .card import model_card
from .unmeasured import unmeasured


def quantize(source: Path, output: Path, heads: Sequence[str] = ()) -> str:
    """Write a bundle with the weights of another, rounded; its fingerprint.

    Manifest and card are the other's, without what was measured.

    Args:
        heads: whose weights alone are rounded, the other files staying as they are; none: everything is.

    Raises:
        BundleError: `source` can't be used.
        ValueError: it has no such head.
    """
    bundle = load_bundle(source)
    known = list(bundle.model.heads)
    if unknown := [name for name in heads if name not in known]:
        raise ValueError(f"{source} has no head {', '.join(unknown)}; it has {', '.join(known)}")
    told = unmeasured(bundle.manifest, heads)
    weights = f"8-bit integers in {', '.join(heads)}" if heads else "8-bit integers"
    manifest = replace(told, training={**told.training, "weights": weights})
    card = model_card(manifest, bundle.model.configs())
    files = map(head_file, heads) if heads else (BACKBONE, *map(head_file, known))
    return save_bundle(
        output, manifest, bundle.model, bundle.tokenizer, card, in_integers=tuple(files), before=bundle.contents
    )

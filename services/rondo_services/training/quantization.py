"""A bundle's matrices as 8-bit integers, in half the bytes; `rondo_models.stored_weights` says how."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rondo_models.bundle import load_bundle, save_bundle
from rondo_models.manifest import BACKBONE, head_file

from .card import model_card
from .unmeasured import unmeasured


def quantize(source: Path, output: Path, heads: Sequence[str] = (), but: Sequence[str] = ()) -> str:
    """Write a bundle with the weights of another, rounded; its fingerprint.

    Manifest and card are the other's, without what was measured.

    Args:
        heads: whose weights alone are rounded, the other files staying as they are; none: everything is.
        but: heads that stay as they are where everything else is rounded.

    Raises:
        BundleError: `source` can't be used.
        ValueError: it has no such head, or both `heads` and `but` are given.
    """
    if heads and but:
        raise ValueError("either the heads that are rounded can be named or those that are not")
    bundle = load_bundle(source)
    known = list(bundle.model.heads)
    if unknown := [name for name in (*heads, *but) if name not in known]:
        raise ValueError(f"{source} has no head {', '.join(unknown)}; it has {', '.join(known)}")
    told = unmeasured(bundle.manifest, heads)
    where = f" in {', '.join(heads)}" if heads else f", but not in {', '.join(but)}" if but else ""
    manifest = replace(told, training={**told.training, "weights": f"8-bit integers{where}"})
    rounded = heads or [name for name in known if name not in but]
    files = (*([] if heads else [BACKBONE]), *map(head_file, rounded))
    card = model_card(manifest, bundle.model.configs())
    return save_bundle(
        output, manifest, bundle.model, bundle.tokenizer, card, in_integers=files, before=bundle.contents
    )

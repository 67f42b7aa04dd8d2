"""A bundle's matrices as 8-bit integers, in half the bytes; `rondo_models.stored_weights` says how."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from rondo_models.bundle import integer_files, load_bundle, save_bundle
from rondo_models.manifest import BACKBONE, head_file, require_replaceable

from .card import model_card
from .unmeasured import unmeasured

STORED_AS = "weights"
"""Below what the manifest says of training: which of them are 8-bit integers."""


def quantize(source: Path, output: Path, heads: Sequence[str] = (), but: Sequence[str] = ()) -> str:
    """Write a bundle with the weights of another, rounded; its fingerprint.

    Manifest and card are the other's, without what was measured.

    Args:
        heads: whose weights alone are rounded, the other files staying as they are; none: everything is.
        but: heads that stay as they are where everything else is rounded.

    Raises:
        BundleError: `source` can't be used, or something else is in the output's place.
        ValueError: it has no such head, one of `but` is rounded in it already, both `heads` and `but` are given, or the
            output is the source.
    """
    if heads and but:
        raise ValueError("either the heads that are rounded can be named or those that are not")
    require_apart(output, source)
    require_replaceable(output)
    bundle = load_bundle(source)
    known = list(bundle.model.heads)
    if unknown := [name for name in (*heads, *but) if name not in known]:
        raise ValueError(f"{source} has no head {', '.join(unknown)}; it has {', '.join(known)}")
    before = integer_files(bundle.contents)
    if rounded := [name for name in but if head_file(name) in before]:
        raise ValueError(f"{source} has 8-bit integers in {', '.join(rounded)} already: what they were is not known")
    chosen = heads or [name for name in known if name not in but]
    files = {*([] if heads else [BACKBONE]), *map(head_file, chosen)}
    told = unmeasured(bundle.manifest, heads)
    manifest = replace(told, training={**told.training, STORED_AS: _stored_as(files | before, known)})
    card = model_card(manifest, bundle.model.configs())
    return save_bundle(
        output, manifest, bundle.model, bundle.tokenizer, card, in_integers=files, before=bundle.contents
    )


def require_apart(output: Path, *sources: Path) -> None:
    """Check that a bundle is not written over one that it is made of.

    Raises:
        ValueError: it is.
    """
    if output.resolve() in [source.resolve() for source in sources]:
        raise ValueError(f"{output} is what the new bundle is made of; name another folder with --output")


def _stored_as(files: Collection[str], heads: Sequence[str]) -> str:
    """For people: in which files there are integers."""
    names = {BACKBONE: "the backbone", **{head_file(name): name for name in heads}}
    if others := [name for file, name in names.items() if file not in files]:
        if BACKBONE in files:
            return f"8-bit integers, but not in {', '.join(others)}"
        return f"8-bit integers in {', '.join(name for file, name in names.items() if file in files)}"
    return "8-bit integers"

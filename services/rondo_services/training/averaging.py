"""The mean of the weights of a bundle and of one that was trained on from it: often better than either
(Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", arXiv:2109.01903).
"""

from pathlib import Path

import torch

from rondo_models.bundle import load_bundle, save_bundle

from .card import model_card
from .unmeasured import unmeasured


def average(first: Path, second: Path, share: float, output: Path) -> str:
    """Write a bundle whose weights are `share` of the second's and the rest of the first's; its fingerprint.

    Manifest and card are the second's, without what was measured.

    Raises:
        ValueError: the share is not between 0 and 1, or the bundles have not the same vocabulary and shape.
        BundleError: one can't be used.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share must be between 0 and 1, not {share}")
    before, after = load_bundle(first), load_bundle(second)
    if before.tokenizer != after.tokenizer:
        raise ValueError("bundles with different vocabularies have no mean")
    weights, others = after.model.state_dict(), before.model.state_dict()
    if {name: w.shape for name, w in weights.items()} != {name: w.shape for name, w in others.items()}:
        raise ValueError("bundles of different shapes have no mean")
    heads = [(name, after.model.head(name).config, before.model.head(name).config) for name in after.model.heads]
    if unlike := [name for name, own, other in heads if not own.has_weights_of(other)]:
        raise ValueError(f"the bundles' heads have no mean, as their labels or shapes differ: {', '.join(unlike)}")
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(torch.lerp(others[name], weight, share))
    manifest = unmeasured(after.manifest)
    card = model_card(manifest, after.model.configs())
    return save_bundle(output, manifest, after.model, after.tokenizer, card)

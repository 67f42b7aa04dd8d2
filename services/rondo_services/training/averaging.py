"""The mean of the weights of a bundle and of one that was trained on from it: often better than either
(Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", arXiv:2109.01903).
"""

from dataclasses import replace
from pathlib import Path

import torch

from rondo_models.bundle import load_bundle, save_bundle
from rondo_models.manifest import require_replaceable

from .card import model_card
from .quantization import STORED_AS, require_apart
from .unmeasured import unmeasured


def average(first: Path, second: Path, share: float, output: Path) -> str:
    """Write a bundle whose weights are `share` of the second's and the rest of the first's; its fingerprint.

    Manifest and card are the second's, without what was measured, and so are tables that are no weights.

    Raises:
        ValueError: the share is not between 0 and 1, the bundles have not the same vocabulary and shape, or the output
            is one of them.
        BundleError: one can't be used, or something else is in the output's place.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share must be between 0 and 1, not {share}")
    require_apart(output, first, second)
    require_replaceable(output)
    before, after = load_bundle(first), load_bundle(second)
    if before.tokenizer != after.tokenizer:
        raise ValueError("bundles with different vocabularies have no mean")
    weights, others = after.model.state_dict(), before.model.state_dict()
    if {name: own.shape for name, own in weights.items()} != {name: own.shape for name, own in others.items()}:
        raise ValueError("bundles of different shapes have no mean")
    heads = [(name, after.model.head(name).config, before.model.head(name).config) for name in after.model.heads]
    if unlike := [name for name, own, other in heads if not own.has_weights_of(other)]:
        raise ValueError(f"the bundles' heads have no mean, as their labels or shapes differ: {', '.join(unlike)}")
    with torch.no_grad():
        for name, weight in after.model.named_parameters():
            weight.copy_(torch.lerp(others[name], weight, share))
    told = unmeasured(after.manifest)
    manifest = replace(told, training={name: own for name, own in told.training.items() if name != STORED_AS})
    card = model_card(manifest, after.model.configs())
    return save_bundle(output, manifest, after.model, after.tokenizer, card)

"""Perplexity of a language model head over a token stream, normalised to the words of the text."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from rondo_models.model import RondoModel

_CHUNK = 256


@torch.inference_mode()
def token_nats(model: RondoModel, head: str, ids: Sequence[int], start_id: int) -> Tensor:
    """Negative log-likelihood (ids,) of each token of a stream, in nats, read once from left to right with one running
    state; in float64, so that a sum of them is exact enough."""
    backbone, language_model = model.backbone, model.language_model(head)
    state, top = backbone.forward_stack.initial_state(1), language_model.initial_state(1)
    previous = torch.tensor([start_id, *ids[:-1]])
    targets = torch.tensor(ids)
    parts = [torch.empty(0, dtype=torch.float64)]
    for begin in range(0, len(ids), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        lower, state = backbone.advance(previous[None, part], state)
        hidden, top = language_model.read(lower, top)
        logits = language_model.logits(backbone, hidden[0])
        parts.append(functional.cross_entropy(logits.float(), targets[part], reduction="none").double())
    return torch.cat(parts)


def perplexity(nats: float, count: int) -> float:
    """exp of the mean; infinity where that is too large for a float."""
    try:
        return math.exp(nats / count)
    except OverflowError:
        return math.inf

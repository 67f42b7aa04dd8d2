"""Perplexity of a language model head over a token stream, normalised to the words of the text."""

import math
from collections.abc import Sequence

import torch
from torch.nn import functional

from rondo_models.model import RondoModel

_CHUNK = 256


@torch.inference_mode()
def negative_log_likelihood(model: RondoModel, head: str, ids: Sequence[int], start_id: int) -> float:
    """Nats of the whole stream `ids`, read once from left to right with one running state."""
    backbone, language_model = model.backbone, model.language_model(head)
    state, top = backbone.forward_stack.initial_state(1), language_model.initial_state(1)
    previous = torch.tensor([start_id, *ids[:-1]])
    targets = torch.tensor(ids)
    total = 0.0
    for begin in range(0, len(ids), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        lower, state = backbone.advance(previous[None, part], state)
        hidden, top = language_model.read(lower, top)
        logits = language_model.logits(backbone, hidden[0])
        total += float(functional.cross_entropy(logits.float(), targets[part], reduction="sum"))
    return total


def perplexity(nats: float, count: int) -> float:
    """exp of the mean; infinity where that is too large for a float."""
    try:
        return math.exp(nats / count)
    except OverflowError:
        return math.inf

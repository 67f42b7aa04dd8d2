"""A language model that goes on learning from the text that it is measured on, always after it was measured there.

Krause et al. 2018, "Dynamic Evaluation of Neural Sequence Models", arXiv:1709.07432, with their RMS rule: a step is
divided by the usual size of a weight's gradient, which training text tells, and weights are drawn back to where they
were, the more the larger their gradients are. A copy learns; the model itself stays as it is. Beside it there may be a
cache of what was read (`neural_cache`), whose features are of the weights that there were then.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from pydantic import ConfigDict, Field, model_validator
from torch import Tensor
from torch.nn import functional

from rondo_models.model import RondoModel
from rondo_models.state import RecurrentState

from ..schema import Schema
from .neural_cache import CacheMemory, NeuralCache


class DynamicEvaluation(Schema):
    """Settings; the defaults are what WikiText-2's dev split chose for rondo-base."""

    model_config = ConfigDict(frozen=True)

    segment: int = Field(80, ge=1, le=1000, description="Tokens that are measured, then learned from.")
    rate: float = Field(4e-4, ge=0, description="Of learning; 0 learns nothing.")
    decay: float = Field(
        5e-3, ge=0, lt=1, description="Share of the way back to the first weights after each segment, on the average."
    )
    floor: float = Field(
        0.5, ge=0, description="Added to the usual gradient of each weight, as a share of the mean over all."
    )
    num_statistics: int = Field(
        300, ge=1, description="Segments of training text that tell how large gradients usually are."
    )

    cache_size: int = Field(0, ge=0, le=100_000, description="Positions that a cache beside looks back to; 0: none.")
    cache_weight: float = Field(0.1, ge=0, lt=1, description="Of the cache, as of one alone.")
    cache_sharpness: float = Field(0.05, ge=0, description="Likewise.")

    @model_validator(mode="after")
    def _check_cache(self) -> "DynamicEvaluation":
        if not self.cache_size and (unused := sorted(self.model_fields_set & {"cache_weight", "cache_sharpness"})):
            raise ValueError(f"{' and '.join(unused)}: of a cache, which needs a cache_size")
        return self

    @property
    def cache(self) -> NeuralCache | None:
        """The cache beside."""
        if not self.cache_size:
            return None
        return NeuralCache(size=self.cache_size, weight=self.cache_weight, sharpness=self.cache_sharpness)

    @property
    def num_trained_on(self) -> int:
        """Tokens of training text that are looked at."""
        return self.segment * self.num_statistics


@dataclass(frozen=True, slots=True)
class _Segment:
    """What was read: features (segment, features), targets and their nats (segment,), gradients of the nats' mean."""

    features: Tensor
    targets: Tensor
    nats: Tensor
    gradients: list[Tensor]


class _Reader:
    """A copy of the model that reads a stream in segments; each is measured before its gradient is known."""

    def __init__(self, model: RondoModel, head: str) -> None:
        self._backbone = copy.deepcopy(model.backbone)
        self._head = copy.deepcopy(model.language_model(head))
        own = [*self._backbone.embedding.parameters(), *self._backbone.forward_stack.parameters()]
        own += [value for name, value in self._head.named_parameters() if not name.startswith("backward_")]
        self.weights = [value.requires_grad_() for value in own]

    def segments(self, ids: Sequence[int], start_id: int, length: int) -> Iterator[_Segment]:
        """The text in segments, each read with the weights that there are when it is asked for."""
        state, top = self._backbone.forward_stack.initial_state(1), self._head.initial_state(1)
        previous, all_targets = torch.tensor([start_id, *ids[:-1]]), torch.tensor(ids)
        for begin in range(0, len(ids), length):
            part = slice(begin, begin + length)
            targets = all_targets[part]
            lower, state = self._backbone.advance(previous[None, part], _detached(state))
            hidden, top = self._head.read(lower, None if top is None else _detached(top))
            features = self._head.features(hidden[0])
            logits = functional.linear(features, self._backbone.embedding.weight, self._head.output_bias)
            nats = functional.cross_entropy(logits, targets, reduction="none")
            gradients = list(torch.autograd.grad(nats.mean(), self.weights))
            yield _Segment(features.detach(), targets, nats.detach(), gradients)


def _detached(state: RecurrentState) -> RecurrentState:
    return RecurrentState(tuple(tensor.detach() for tensor in state.tensors))


def _usual_gradients(reader: _Reader, ids: Sequence[int], start_id: int, how: DynamicEvaluation) -> list[Tensor]:
    """Root of the mean square of each weight's gradient over segments of training text."""
    squares, count = [torch.zeros_like(weight) for weight in reader.weights], 0
    for segment in reader.segments(ids[: how.num_trained_on], start_id, how.segment):
        torch._foreach_addcmul_(squares, segment.gradients, segment.gradients)
        count += 1
    if not count:
        raise ValueError("there is no training text to tell how large gradients usually are")
    return [(square / count).sqrt() for square in squares]


def dynamic_token_nats(
    model: RondoModel,
    head: str,
    ids: Sequence[int],
    start_id: int,
    how: DynamicEvaluation,
    train_ids: Sequence[int],
) -> Tensor:
    """As `perplexity.token_nats`, of a copy of the model that learns from each segment once that is measured.

    Args:
        train_ids: text like what the model was trained on.

    Raises:
        ValueError: there is no training text.
    """
    reader = _Reader(model, head)
    usual = _usual_gradients(reader, train_ids, start_id, how)
    mean = sum(float(own.sum()) for own in usual) / sum(own.numel() for own in usual)
    rates = [how.rate / (own + how.floor * mean) for own in usual]
    decays = [(how.decay / mean * own).clamp_max(1.0) for own in usual]
    weights = [weight.detach() for weight in reader.weights]  # the same memory
    first = [weight.clone() for weight in weights]
    parts = [torch.empty(0, dtype=torch.float64)]
    memory = None if how.cache is None else CacheMemory(how.cache, model.backbone.config.embedding_size)
    for segment in reader.segments(ids, start_id, how.segment):
        nats = segment.nats.double()
        parts.append(nats if memory is None else memory.nats(segment.features, (-nats).exp(), segment.targets))
        torch._foreach_addcmul_(weights, segment.gradients, rates, value=-1.0)
        for weight, origin, decay in zip(weights, first, decays, strict=True):
            weight.lerp_(origin, decay)
    return torch.cat(parts)

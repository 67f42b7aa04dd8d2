"""A language model with a cache of what it has just read: words that came lately come again.

Grave et al. 2017, "Improving Neural Language Models with a Continuous Cache", arXiv:1612.04426. Each position leaves
the features from which its token was predicted, and the token that came; where later features are like them, that
token becomes likelier. No weight changes. The cache is of subword tokens, as the model is.
"""

from collections.abc import Sequence

import torch
from pydantic import ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from rondo_models.model import RondoModel

from ..schema import Schema

_CHUNK = 256


class NeuralCache(Schema):
    """Settings of the cache; the defaults are what WikiText-2's dev split chose for rondo-base."""

    model_config = ConfigDict(frozen=True)

    size: int = Field(8000, ge=1, le=100_000, description="Positions that are looked back to.")
    weight: float = Field(0.3, ge=0, lt=1, description="Share of the probability that the cache gets; lambda there.")
    sharpness: float = Field(
        0.05,
        ge=0,
        description="How much more a position counts whose features are alike; theta there, 0: all the same.",
    )


def cache_shares(queries: Tensor, keys: Tensor, cache: NeuralCache) -> Tensor:
    """How much each position of the past counts.

    Args:
        queries: (rows, features) of the last rows of the keys' positions, in their order.
        keys: (positions, features); a row sees the `size` positions before its own.

    Returns:
        (rows, positions), each row summing to 1, or to 0 where there is nothing before it.
    """
    rows, positions = len(queries), len(keys)
    own = torch.arange(positions - rows, positions)[:, None]  # (rows, 1)
    other = torch.arange(positions)[None]
    is_seen = (other < own) & (other >= own - cache.size)
    scores = (cache.sharpness * queries @ keys.T).masked_fill(~is_seen, -torch.inf)
    return scores.softmax(dim=1).nan_to_num(0.0)


def cache_likelihood(shares: Tensor, followers: Tensor, targets: Tensor) -> Tensor:
    """(rows,) probability that the cache gives to the `targets` (rows,), from the tokens that followed each position:
    `followers` (positions,)."""
    return (shares * (followers[None] == targets[:, None])).sum(dim=1)


class CacheMemory:
    """The past that a cache looks back to, while a text is read."""

    def __init__(self, cache: NeuralCache, num_features: int) -> None:
        self._cache = cache
        self._keys = torch.empty(0, num_features)
        self._followers = torch.empty(0, dtype=torch.int64)

    def nats(self, features: Tensor, likelihood: Tensor, targets: Tensor) -> Tensor:
        """Of the next tokens under the model and the cache together; the cache knows them afterwards.

        Args:
            features: (rows, features) from which the model predicted them.
            likelihood: (rows,), their probabilities by the model.
            targets: (rows,).
        """
        self._keys, self._followers = torch.cat([self._keys, features]), torch.cat([self._followers, targets])
        shares = cache_shares(features, self._keys, self._cache)
        weight = self._cache.weight * shares.any(dim=1)  # nothing is cached before the first token
        cached = cache_likelihood(shares, self._followers, targets)
        self._keys, self._followers = self._keys[-self._cache.size :], self._followers[-self._cache.size :]
        return -((1 - weight) * likelihood + weight * cached).log()


@torch.inference_mode()
def cached_token_nats(model: RondoModel, head: str, ids: Sequence[int], start_id: int, cache: NeuralCache) -> Tensor:
    """As `perplexity.token_nats`, of the model and the cache together."""
    backbone, language_model = model.backbone, model.language_model(head)
    state, top = backbone.forward_stack.initial_state(1), language_model.initial_state(1)
    previous, all_targets = torch.tensor([start_id, *ids[:-1]]), torch.tensor(ids)
    memory = CacheMemory(cache, backbone.config.embedding_size)
    parts = [torch.empty(0, dtype=torch.float64)]
    for begin in range(0, len(ids), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        targets = all_targets[part]
        lower, state = backbone.advance(previous[None, part], state)
        hidden, top = language_model.read(lower, top)
        features = language_model.features(hidden[0])  # (chunk, embedding)
        logits = functional.linear(features, backbone.embedding.weight, language_model.output_bias)
        likelihood = logits.float().log_softmax(dim=1).gather(1, targets[:, None])[:, 0].double().exp()
        parts.append(memory.nats(features, likelihood, targets))
    return torch.cat(parts)

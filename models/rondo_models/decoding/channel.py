"""Chooses among translations also by how well they explain their source: noisy channel reranking.

After Yee, Dauphin & Auli, "Simple and Effective Noisy Channel Modeling for Neural Machine Translation" (EMNLP 2019,
arXiv:1908.05731), without their language model. The same head translates back.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ..model import RondoModel
from ..training.sequences import padded
from .parameters import Hypothesis


def log_likelihoods(
    model: RondoModel, head: str, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], first_id: int
) -> list[float]:
    """Log-probability of each target, given its source.

    Args:
        sources, targets: ids that end with the end symbol.
        first_id: the decoder's first symbol.
    """
    pad_id = model.backbone.config.pad_id
    seq2seq = model.seq2seq(head)
    memory = seq2seq.read(model.backbone.encode(*padded(sources, pad_id)))
    outputs, lengths = padded(targets, pad_id)  # (batch, target)
    inputs = torch.cat([torch.full_like(outputs[:, :1], first_id), outputs[:, :-1]], dim=1)
    decoded, _ = seq2seq.decode(model.backbone.advance(inputs)[0], memory, seq2seq.initial_state(memory))
    if decoded.generate is not None:
        raise ValueError(f"the head {head} copies; it can't be asked for log-likelihoods")
    scores: Tensor = functional.linear(decoded.features, model.backbone.embedding.weight, seq2seq.output_bias)
    chosen = scores.gather(2, outputs[:, :, None]).squeeze(2) - scores.logsumexp(dim=-1)
    real = torch.arange(outputs.shape[1])[None, :] < lengths[:, None]
    totals: list[float] = (chosen * real).sum(dim=1).tolist()
    return totals


def reranked(
    hypotheses: Sequence[Hypothesis], back: Sequence[float], source_length: int, weight: float
) -> list[Hypothesis]:
    """The hypotheses, best first by their own score and `weight` times that of the source given them; those that
    repeated themselves stay behind.

    Args:
        back: of each the log-probability of the source, whose end symbol is in its length.
    """
    length = (5 + source_length) / 6

    def rank(i: int) -> tuple[bool, float]:
        return hypotheses[i].finish_reason == "loop", -(hypotheses[i].score + weight * back[i] / length)

    return [hypotheses[i] for i in sorted(range(len(hypotheses)), key=rank)]

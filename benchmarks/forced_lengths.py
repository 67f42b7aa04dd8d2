"""Batches for models with random weights, which must be told how much to write.

Sentences of like target length share a batch, and all of a batch write the rounded mean of its lengths, as the peers
take one length a call. That is kind to them: no row of a batch ever waits for a longer one. Needs nothing but Python.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ForcedBatch:
    """Source lengths, longest first, and how much each sentence writes; tokens, end symbols counted."""

    source_lengths: tuple[int, ...]
    target_length: int


def forced_batches(source_lengths: Sequence[int], target_lengths: Sequence[int], batch_size: int) -> list[ForcedBatch]:
    """Cut sentences, sorted by target length, into batches of `batch_size`."""
    pairs = sorted(zip(target_lengths, source_lengths, strict=True))
    batches = []
    for begin in range(0, len(pairs), batch_size):
        part = pairs[begin : begin + batch_size]
        mean = round(sum(target for target, _ in part) / len(part))
        batches.append(ForcedBatch(tuple(sorted((source for _, source in part), reverse=True)), mean))
    return batches

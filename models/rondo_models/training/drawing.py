"""A batch as it is drawn from a data set, on the CPU, before any model sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Drawn:
    """A batch.

    Attributes:
        tensors: by name, what the task that drew it needs for its loss.
        num_targets: predicted tokens, or classified texts.
        num_tokens: tokens read and written.
        backward: whether a language model's batch is to be read by the backward stack.
    """

    tensors: Mapping[str, Tensor]
    num_targets: int
    num_tokens: int
    backward: bool = False

    def to(self, device: torch.device) -> "Drawn":
        """The same on `device`; the copy does not wait if the memory is pinned."""
        return replace(self, tensors={name: t.to(device, non_blocking=True) for name, t in self.tensors.items()})

    def pin_memory(self) -> "Drawn":
        """The same in memory that a GPU copies from while it computes; torch's DataLoader calls this."""
        return replace(self, tensors={name: tensor.pin_memory() for name, tensor in self.tensors.items()})

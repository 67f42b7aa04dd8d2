"""Reading a language model's prompts: all at once, in parts, or going on from a state that was kept.

What a recurrent model remembers of a prompt, however long, is a state of a fixed size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

from ..model import RondoModel
from ..state import RecurrentState


@dataclass(frozen=True, slots=True)
class PromptState:
    """What has been read, one row a prompt.

    Attributes:
        lower: of the shared forward stack.
        top: of the language model's private layer, if it has one.
        hidden: (rows, hidden), from which the next token is told.
    """

    lower: RecurrentState
    top: RecurrentState | None
    hidden: Tensor

    def select(self, rows: Tensor) -> "PromptState":
        """The state of `rows` (n,), in that order."""
        return PromptState(
            self.lower.select(rows), None if self.top is None else self.top.select(rows), self.hidden[rows]
        )

    @staticmethod
    def concat(states: Sequence["PromptState"]) -> "PromptState":
        """The rows of all."""
        tops = [state.top for state in states if state.top is not None]
        return PromptState(
            RecurrentState.concat([state.lower for state in states]),
            RecurrentState.concat(tops) if tops else None,
            torch.cat([state.hidden for state in states]),
        )

    def to_bytes(self) -> bytes:
        """The recurrent state of a single row as float32; `hidden` is not in it."""
        tensors = [*self.lower.tensors, *(self.top.tensors if self.top is not None else ())]
        return torch.cat([tensor.reshape(-1) for tensor in tensors]).numpy().tobytes()


def nothing_read(model: RondoModel, head: str, num_rows: int) -> PromptState:
    """The state before the first token."""
    lower = model.backbone.forward_stack.initial_state(num_rows)
    hidden = lower.tensors[0].new_zeros(num_rows, model.backbone.config.hidden_size)
    return PromptState(lower, model.language_model(head).initial_state(num_rows), hidden)


def from_bytes(model: RondoModel, head: str, content: bytes) -> PromptState:
    """What `PromptState.to_bytes` made.

    Raises:
        ValueError: it is not of this model's size.
    """
    like = nothing_read(model, head, 1)
    shapes = [tensor.shape for tensor in (*like.lower.tensors, *(like.top.tensors if like.top is not None else ()))]
    if len(content) != 4 * sum(shape.numel() for shape in shapes):
        raise ValueError("the state is of another size than the model's")
    flat = torch.from_numpy(numpy.frombuffer(content, dtype=numpy.float32).copy())
    flat_parts = torch.split(flat, [shape.numel() for shape in shapes])
    parts = [part.view(shape) for part, shape in zip(flat_parts, shapes, strict=True)]
    num_lower = len(like.lower.tensors)
    top = RecurrentState(tuple(parts[num_lower:])) if like.top is not None else None
    return PromptState(RecurrentState(tuple(parts[:num_lower])), top, like.hidden)

"""Texts that are read in parts, so that a long one holds up nobody: a part of each between two decoding steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from rondo_models.backbone import Direction, Encoded, length_mask
from rondo_models.decoding.prompts import PromptState, from_bytes, nothing_read
from rondo_models.executor import Executor
from rondo_models.model import RondoModel
from rondo_models.state import RecurrentState
from rondo_models.training.sequences import padded

from .prefix_cache import PrefixCache
from .requests import Generate, Ticket


@dataclass(slots=True, eq=False)
class Prompt:
    """A prompt that is being read; `position` tokens of it have been."""

    ticket: Ticket
    position: int
    state: PromptState

    @property
    def work(self) -> Generate:
        """What is asked."""
        return cast("Generate", self.ticket.work)

    @property
    def num_left(self) -> int:
        """Tokens to read."""
        return len(self.work.ids) - self.position

    @property
    def is_read(self) -> bool:
        """Whether all of it has been read."""
        return not self.num_left


class PromptReader:
    """Reads prompts, going on from what is known of them."""

    def __init__(self, model: RondoModel, executor: Executor, cache: PrefixCache[PromptState]) -> None:
        self._model = model
        self._executor = executor
        self._cache = cache

    def begin(self, ticket: Ticket) -> Prompt:
        """A prompt with what is known of it: the state that the request brings, or that of a prefix.

        Raises:
            ValueError: the request's state is of another size than the model's.
        """
        work = cast("Generate", ticket.work)
        if work.state is not None:
            return Prompt(ticket, 0, from_bytes(self._model, work.head, work.state))
        length, known = self._cache.longest(work.head, work.ids)
        return Prompt(ticket, length, known or nothing_read(self._model, work.head, 1))

    def read(self, head: str, prompts: Sequence[Prompt], chunk: int) -> None:
        """Read the next part of each, at most `chunk` tokens; all are of one head."""
        unread = [prompt for prompt in prompts if not prompt.is_read]
        if not unread:
            return
        parts = [prompt.work.ids[prompt.position : prompt.position + chunk] for prompt in unread]
        ids, lengths = padded(parts, self._model.backbone.config.pad_id)
        before = PromptState.concat([prompt.state for prompt in unread])
        state = self._executor.read_prompts(head, ids, lengths, before)
        for row, (prompt, part) in enumerate(zip(unread, parts, strict=True)):
            prompt.state = state.select(torch.tensor([row]))
            prompt.position += len(part)
            if prompt.is_read and prompt.work.state is None:
                self._cache.put(head, prompt.work.ids, prompt.state)


@dataclass(slots=True, eq=False)
class LongText:
    """A text that is being read from both ends; `position` tokens from each have been.

    Attributes:
        outputs: (tokens, 2 * hidden) of both directions, where they have been read.
    """

    ticket: Ticket
    forward: RecurrentState
    backward: RecurrentState
    outputs: Tensor
    position: int = 0

    @property
    def num_left(self) -> int:
        """Tokens to read in each direction."""
        return self.ticket.num_tokens - self.position

    @property
    def is_read(self) -> bool:
        """Whether all of it has been read."""
        return not self.num_left

    def encoded(self) -> Encoded:
        """The whole, as a batch of one."""
        ids, lengths = padded([self.ticket.work.ids], 0)
        return Encoded(ids, lengths, self.outputs[None], length_mask(lengths, ids.shape[1]))

    def put(self, forward: Tensor, backward: Tensor) -> None:
        """Take the outputs (tokens, hidden) of the next part from either end, in the order in which they were read."""
        begin, end = self.position, self.position + len(forward)
        size = forward.shape[-1]
        self.outputs[begin:end, :size] = forward
        self.outputs[self.ticket.num_tokens - end : self.ticket.num_tokens - begin, size:] = backward.flip(0)
        self.position = end


class LongTextReader:
    """Reads long texts part by part."""

    def __init__(self, model: RondoModel, executor: Executor) -> None:
        self._backbone = model.backbone
        self._executor = executor

    def begin(self, ticket: Ticket) -> LongText:
        """A text of which nothing has been read."""
        forward, backward = self._backbone.stack("forward"), self._backbone.stack("backward")
        outputs = torch.empty(ticket.num_tokens, 2 * self._backbone.config.hidden_size)
        return LongText(ticket, forward.initial_state(1), backward.initial_state(1), outputs)

    def read(self, texts: Sequence[LongText], chunk: int, *, rough: bool) -> None:
        """Read the next part of each, at most `chunk` tokens from either end."""
        sides: list[tuple[Direction, list[Sequence[int]], list[RecurrentState]]] = [
            ("forward", [text.ticket.work.ids for text in texts], [text.forward for text in texts]),
            ("backward", [text.ticket.work.ids[::-1] for text in texts], [text.backward for text in texts]),
        ]
        read = []
        for direction, ids, states in sides:
            parts = [own[text.position : text.position + chunk] for own, text in zip(ids, texts, strict=True)]
            batch, lengths = padded(parts, self._backbone.config.pad_id)
            before = RecurrentState.concat(states)
            # Where a part is shorter than the others it is the text's last, and the state after it is not needed.
            read.append(self._executor.read_part(direction, batch, lengths, before, rough=rough))
        (forward, forward_state), (backward, backward_state) = read
        for row, (text, length) in enumerate(zip(texts, lengths.tolist(), strict=True)):
            index = torch.tensor([row])
            text.forward, text.backward = forward_state.select(index), backward_state.select(index)
            text.put(forward[row, :length], backward[row, :length])

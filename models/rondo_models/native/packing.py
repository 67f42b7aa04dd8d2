"""Weights in the order in which the kernels read them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_BLOCK, _TILE, _DEPTH = 64, 16, 32
_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class PackedWeights:
    """Weights of a product.

    Attributes:
        high: bfloat16 tiles.
        low: tiles of what `high` lost by rounding; None if that is nothing.
        bias: (columns,), padded with zeros to whole blocks.
        num_columns: without padding.
        depth: with padding.
    """

    high: Tensor
    low: Tensor | None
    bias: Tensor
    num_columns: int
    depth: int


def _round_up(size: int, step: int) -> int:
    return -(-size // step) * step


def aligned(tensor: Tensor) -> Tensor:
    """The same values, flat, at an address that a whole vector register can be loaded from."""
    room = torch.empty(tensor.numel() + _ALIGNMENT, dtype=tensor.dtype)
    begin = (-room.data_ptr() % _ALIGNMENT) // room.element_size()
    return room[begin : begin + tensor.numel()].copy_(tensor.reshape(-1))


def padded_columns(values: Tensor, fill: float = 0.0) -> Tensor:
    """(columns,) padded to whole blocks, aligned."""
    return aligned(functional.pad(values, (0, _round_up(len(values), _BLOCK) - len(values)), value=fill))


def _tiles(weight: Tensor) -> Tensor:
    """(columns, depth) → blocks of 64 columns; in each, for every 32 of depth, 4 tiles of (16 pairs, 16 columns, 2)."""
    columns, depth = weight.shape
    split = weight.view(columns // _BLOCK, _BLOCK // _TILE, _TILE, depth // _DEPTH, _DEPTH // 2, 2)
    return aligned(split.permute(0, 3, 1, 4, 2, 5).contiguous().view(torch.int16))


def pack(weight: Tensor, bias: Tensor, widths: Sequence[int]) -> PackedWeights:
    """Pack `weight` (columns, sum of the inputs' widths) and `bias` (columns,)."""
    num_columns = len(weight)
    parts = torch.split(weight.detach().float(), list(widths), dim=1)
    inputs = [functional.pad(part, (0, _round_up(part.shape[1], _DEPTH) - part.shape[1])) for part in parts]
    whole = torch.cat(inputs, dim=1)
    whole = functional.pad(whole, (0, 0, 0, _round_up(num_columns, _BLOCK) - num_columns))
    high = whole.bfloat16()
    rest = (whole - high.float()).bfloat16()
    low = _tiles(rest) if bool(rest.any()) else None
    return PackedWeights(_tiles(high), low, padded_columns(bias.detach().float()), num_columns, whole.shape[1])


def pack_lstm(layer: torch.nn.LSTM, widths: Sequence[int]) -> PackedWeights:
    """Pack an LSTM of one layer; `widths` are those of its inputs, whose sum is its input size.

    Each block of columns holds the gates i, f, g, o of 16 units; the hidden state is the last input of the product.
    """
    input_weight, hidden_weight, input_bias, hidden_bias = (
        getattr(layer, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    weight, bias = torch.cat([input_weight, hidden_weight], dim=1), input_bias + hidden_bias
    size = layer.hidden_size
    room = _round_up(size, _TILE) - size

    def by_unit(values: Tensor) -> Tensor:
        gates = functional.pad(values.view(4, size, -1), (0, 0, 0, room))
        return gates.view(4, -1, _TILE, gates.shape[-1]).transpose(0, 1).reshape(4 * (size + room), -1)

    return pack(by_unit(weight), by_unit(bias[:, None]).squeeze(1), [*widths, size])

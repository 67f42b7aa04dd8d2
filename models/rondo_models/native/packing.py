"""Weights in the numbers and in the order in which the kernels read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Numbers = Literal["bfloat16", "int16"]

_BLOCK, _TILE = 64, 16
_DEPTHS: dict[Numbers, int] = {"bfloat16": 32, "int16": 64}
"""Of a block."""
_ALIGNMENT = 64
_MOST = 262_143
"""Steps that the weights of a block of depth may have, all their magnitudes together, so that no sum of their products
with inputs leaves 32 bits (`integers.h`)."""
_LARGEST = 32_767
_LARGEST_BYTE = 127
_SMALLEST = 1e-30
"""Steps are this at least; what is smaller adds nothing."""
_MORE, _ROUNDING = 1 + 2.0**-10, 2.0**-16
"""What bounds are raised by for what float32 operations round: 2^-24 each of what they are of."""


@dataclass(frozen=True, slots=True)
class Screen:
    """Weights as bytes beside their 16-bit integers, to tell which columns can't be the likeliest (`screening.h`).

    Attributes:
        quads: bytes, each 128 more than it means.
        steps: (columns,), padded to whole blocks: what a one is worth.
        losses: of four columns that are 16 apart the largest norm of what the bytes lose of the integers.
        sizes: likewise of the difference between the bytes and the centre.
        centre: (depth,), the mean column.
        columns: the 16-bit integers once more, column by column.
    """

    quads: Tensor
    steps: Tensor
    losses: Tensor
    sizes: Tensor
    centre: Tensor
    columns: Tensor


@dataclass(frozen=True, slots=True)
class PackedWeights:
    """Weights of a product.

    Attributes:
        high: tiles, of bfloat16 numbers or of integers.
        low: tiles of what `high` lost by rounding to bfloat16; None if that is nothing, and of integers.
        bias: (columns,), padded with zeros to whole blocks.
        steps: (columns,), padded likewise: what a one of the integers is worth; None of bfloat16 numbers.
        num_columns: without padding.
        depth: with padding.
        screen: the same in bytes, if they were asked for.
    """

    high: Tensor
    low: Tensor | None
    bias: Tensor
    steps: Tensor | None
    num_columns: int
    depth: int
    screen: Screen | None = None


@dataclass(frozen=True, slots=True)
class ProductTable:
    """Products of vectors with weights, made once: of so few vectors that looking them up takes less than multiplying.

    Attributes:
        values: (vectors, columns) 16-bit integers, without the bias; columns are whole blocks.
        steps: (columns,): what a one of them is worth.
    """

    values: Tensor
    steps: Tensor


def _round_up(size: int, step: int) -> int:
    return -(-size // step) * step


def aligned(tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """The same values, flat, at an address that a whole vector register can be loaded from; of `dtype`, if given."""
    room = torch.empty(tensor.numel() + _ALIGNMENT, dtype=dtype or tensor.dtype)
    begin = (-room.data_ptr() % _ALIGNMENT) // room.element_size()
    return room[begin : begin + tensor.numel()].copy_(tensor.reshape(-1))


def padded_columns(values: Tensor, fill: float = 0.0) -> Tensor:
    """(columns,) padded to whole blocks, aligned."""
    return aligned(functional.pad(values, (0, _round_up(len(values), _BLOCK) - len(values)), value=fill))


def _tiles(weight: Tensor, block_depth: int) -> Tensor:
    """(columns, depth) → blocks of 64 columns; in each, for every block of depth, 4 tiles of (pairs, 16 columns, 2)."""
    columns, depth = weight.shape
    split = weight.view(columns // _BLOCK, _BLOCK // _TILE, _TILE, depth // block_depth, block_depth // 2, 2)
    return aligned(split.permute(0, 3, 1, 4, 2, 5).contiguous().view(torch.int16))


def _steps(weight: Tensor) -> Tensor:
    """(columns,): the power of two whose whole multiples the weights (columns, depth) of each column become.

    It is small enough to tell numbers apart, and a bfloat16 number of 128 steps or more is one of its multiples.
    """
    magnitudes = weight.abs()
    room = _MOST - _DEPTHS["int16"] / 2  # rounding adds half a step a weight
    sums = magnitudes.view(len(weight), -1, _DEPTHS["int16"]).sum(dim=2).amax(dim=1)
    least = torch.maximum(sums / room, magnitudes.amax(dim=1) / _LARGEST).clamp(min=_SMALLEST)
    return torch.where(least.isfinite(), torch.ldexp(torch.ones_like(least), torch.frexp(least).exponent), torch.nan)


def _screen(integers: Tensor, integer_steps: Tensor, num_columns: int) -> Screen:
    """Of 16-bit integers (columns, depth) in steps of their columns, padded to whole blocks."""
    whole = integers.float() * integer_steps[:, None]
    steps = whole.abs().amax(dim=1) / _LARGEST_BYTE
    bytes_ = (whole / steps.clamp(min=_SMALLEST)[:, None]).round().clamp(-_LARGEST_BYTE, _LARGEST_BYTE).double()
    rough, centre = bytes_ * steps[:, None], whole[:num_columns].double().nan_to_num().mean(dim=0).float()

    def largest(vectors: Tensor, least: Tensor) -> Tensor:
        """The norms of `vectors` (columns, depth) and a little more, the largest of columns that are a tile apart."""
        norms = _MORE * vectors.norm(dim=1) + least
        return aligned(norms.view(-1, _BLOCK // _TILE, _TILE).amax(dim=1).float())

    rounding = _ROUNDING * whole.double().norm(dim=1)
    quads = (bytes_.nan_to_num() + 128).to(torch.uint8).view(len(whole) // _BLOCK, _BLOCK, -1, 4).transpose(1, 2)
    return Screen(
        aligned(quads),
        aligned(steps),
        largest(whole - rough, rounding),
        largest(rough - centre, torch.zeros_like(rounding)),
        aligned(centre),
        aligned(integers),
    )


def pack(
    weight: Tensor, bias: Tensor, widths: Sequence[int], numbers: Numbers, *, screened: bool = False
) -> PackedWeights:
    """Pack `weight` (columns, sum of the inputs' widths) and `bias` (columns,) as `numbers`; `screened`, which only
    integers can be, as bytes too.
    """
    assert not screened or numbers == "int16"
    num_columns, block_depth = len(weight), _DEPTHS[numbers]
    parts = torch.split(weight.detach().float(), list(widths), dim=1)
    inputs = [functional.pad(part, (0, _round_up(part.shape[1], block_depth) - part.shape[1])) for part in parts]
    whole = torch.cat(inputs, dim=1)
    whole = functional.pad(whole, (0, 0, 0, _round_up(num_columns, _BLOCK) - num_columns))
    added, depth = padded_columns(bias.detach().float()), whole.shape[1]
    if numbers == "int16":
        steps = _steps(whole)
        integers = (whole / steps[:, None]).round().to(torch.int16)
        screen = _screen(integers, steps, num_columns) if screened else None
        return PackedWeights(_tiles(integers, block_depth), None, added, aligned(steps), num_columns, depth, screen)
    high = whole.bfloat16()
    rest = (whole - high.float()).bfloat16()
    low = _tiles(rest, block_depth) if bool(rest.any()) else None
    return PackedWeights(_tiles(high, block_depth), low, added, None, num_columns, depth)


def pack_lstm(layer: torch.nn.LSTM, widths: Sequence[int], numbers: Numbers) -> PackedWeights:
    """Pack an LSTM of one layer; `widths` are those of its inputs, whose sum is its input size.

    Each block of columns holds the gates i, f, g, o of 16 units; the hidden state is the last input of the product.
    """
    weight = torch.cat([_parameter(layer, "weight_ih"), _parameter(layer, "weight_hh")], dim=1)
    return pack(_by_unit(weight), _lstm_bias(layer), [*widths, layer.hidden_size], numbers)


def pack_recurrence(layer: torch.nn.LSTM, numbers: Numbers) -> PackedWeights:
    """Pack what an LSTM of one layer multiplies its hidden state with, in the order of `pack_lstm`."""
    return pack(_by_unit(_parameter(layer, "weight_hh")), _lstm_bias(layer), [layer.hidden_size], numbers)


def input_products(layer: torch.nn.LSTM, vectors: Tensor) -> ProductTable:
    """The products of `vectors` (n, width) with the input weights of an LSTM, their columns as `pack_lstm` has them."""
    weight = _by_unit(_parameter(layer, "weight_ih"))
    products = functional.linear(vectors.detach().float(), weight)
    steps = (products.abs().amax(dim=0) / _LARGEST).clamp(min=_SMALLEST)
    values = aligned(products.div_(steps).round_(), torch.int16)
    return ProductTable(values.view(products.shape), aligned(steps))


def _lstm_bias(layer: torch.nn.LSTM) -> Tensor:
    bias = _parameter(layer, "bias_ih") + _parameter(layer, "bias_hh")
    return _by_unit(bias[:, None]).squeeze(1)


def _parameter(layer: torch.nn.LSTM, name: str) -> Tensor:
    parameter: Tensor = getattr(layer, f"{name}_l0")
    return parameter.detach().float()


def _by_unit(gates: Tensor) -> Tensor:
    """(4 * units, depth), gate after gate → (columns, depth), where each 64 columns are the gates of 16 units."""
    size = len(gates) // 4
    room = _round_up(size, _TILE) - size
    by_gate = functional.pad(gates.view(4, size, -1), (0, 0, 0, room))
    return by_gate.view(4, -1, _TILE, by_gate.shape[-1]).transpose(0, 1).reshape(4 * (size + room), -1)

"""The C side of the compiled kernels: their arguments, and tensors as the structures of addresses that they take.

A structure does not hold its tensors: whoever calls does, until the call is over.
"""

import ctypes
from collections.abc import Sequence
from itertools import starmap
from typing import Any

from ..decoding.parameters import SamplingParameters
from .operands import Copied, Rows
from .packing import PackedWeights, ProductTable, Screen

INTERFACE = 6
"""Of the kernels that `library` knows how to call (`kernels.cpp`)."""

_LOWEST_TEMPERATURE = 1e-6
"""As good as none, and its inverse is still a float32 number."""

_HIGHEST_POINT = 1 - 2**-24
"""Of those below 1 the highest float32 number: a higher point would become 1, beyond all that can be drawn."""


class _Input(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("index", ctypes.c_void_p),
        ("stride", ctypes.c_int64),
        ("width", ctypes.c_int64),
        ("scale", ctypes.c_float),
    )


class _Weights(ctypes.Structure):
    _fields_ = (
        ("high", ctypes.c_void_p),
        ("low", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
        ("steps", ctypes.c_void_p),
        ("columns", ctypes.c_int64),
        ("depth", ctypes.c_int64),
    )


class _ProductTable(ctypes.Structure):
    _fields_ = (("values", ctypes.c_void_p), ("steps", ctypes.c_void_p), ("stride", ctypes.c_int64))


class _Screen(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_void_p) for name in ("quads", "steps", "losses", "sizes", "centre", "columns"))


class _Draw(ctypes.Structure):
    _fields_ = (
        ("temperature", ctypes.c_float),
        ("top_p", ctypes.c_float),
        ("min_p", ctypes.c_float),
        ("point", ctypes.c_float),
        ("top_k", ctypes.c_int64),
    )


_P, _N, _F = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
_INPUTS, _WEIGHTS = ctypes.POINTER(_Input), ctypes.POINTER(_Weights)
_TABLE, _SCREEN = ctypes.POINTER(_ProductTable), ctypes.POINTER(_Screen)
ARGUMENTS: dict[str, list[Any]] = {
    "rondo_can_multiply": [],
    "rondo_linear": [_INPUTS, _N, _N, _N, _WEIGHTS, _N, _P, _N],
    "rondo_lstm_step": [_INPUTS, _N, _N, _N, _WEIGHTS, _TABLE, _P, _N, _P, _P, _P, _P],
    "rondo_lstm_sequence": [_P, _N, _F, _P, _P, _N, _N, _N, _WEIGHTS, _TABLE, _N, _N, _P, _P, _P, _N],
    "rondo_attend": [_P, _N, _N, _P, _P, _F, _P, _P, _N],
    "rondo_pool": [_P, _N, _N, _N, _P, _N, _P, _N, _N, _N, _P, _N],
    "rondo_label_probabilities": [_P, _N, _N, _P, _N, _P, _P, _N, _N, _N],
    "rondo_likeliest": [_INPUTS, _N, _N, _N, _WEIGHTS, _P, _N, _P, _P],
    "rondo_likeliest_copying": [_INPUTS, _N, _N, _N, _WEIGHTS, _P, _N, _P, _P, _P, _P, _N, _P, _P, _P],
    "rondo_table": [_INPUTS, _N, _N, _N, _WEIGHTS, _P, _P, _P, _P, _P, _N, _P, _P],
    "rondo_draw_from": [_P, _N, _N, ctypes.POINTER(_Draw), _P, _P],
    "rondo_draw": [_INPUTS, _N, _N, _N, _WEIGHTS, _P, ctypes.POINTER(_Draw), _P, _P],
}
SCREENING = {"rondo_likeliest_screened": [_INPUTS, _N, _N, _N, _WEIGHTS, _SCREEN, _P, _N, _P, _P]}
"""What only some libraries have."""


def weights_structure(weights: PackedWeights) -> ctypes.Structure:
    """Of packed weights."""
    low, steps = (None if part is None else part.data_ptr() for part in (weights.low, weights.steps))
    return _Weights(weights.high.data_ptr(), low, weights.bias.data_ptr(), steps, weights.num_columns, weights.depth)


def input_array(inputs: Sequence[Rows]) -> Any:
    """The inputs of a product, one after another."""
    return (_Input * len(inputs))(
        *(
            _Input(
                rows.data.data_ptr(),
                None if rows.index is None else rows.index.data_ptr(),
                rows.data.stride(-2),
                rows.data.shape[-1],
                rows.scale,
            )
            for rows in inputs
        )
    )


def matrix(rows: Rows) -> tuple[int, int, float]:
    """Address, width and scale of rows that are all taken."""
    return rows.data.data_ptr(), rows.data.shape[-1], rows.scale


def table_structure(table: ProductTable) -> ctypes.Structure:
    """Of known products."""
    return _ProductTable(table.values.data_ptr(), table.steps.data_ptr(), table.values.shape[1])


def screen_structure(screen: Screen) -> ctypes.Structure:
    """Of what an output layer is screened by."""
    parts = screen.quads, screen.steps, screen.losses, screen.sizes, screen.centre, screen.columns
    return _Screen(*(part.data_ptr() for part in parts))


def copied_addresses(copied: Copied) -> tuple[int, int, int, int, int]:
    """Of gate, sources, lengths and attention, and the attention's stride."""
    attention = copied.attention
    return (
        copied.gate.data_ptr(),
        copied.sources.data_ptr(),
        copied.lengths.data_ptr(),
        attention.data_ptr(),
        attention.stride(0),
    )


def draw_array(draws: Sequence[tuple[SamplingParameters, float]]) -> Any:
    """How each row is drawn: its parameters, and the point in [0, 1) at which the distribution is cut."""
    return (_Draw * len(draws))(*starmap(_draw, draws))


def _draw(parameters: SamplingParameters, point: float) -> _Draw:
    temperature = max(parameters.temperature, _LOWEST_TEMPERATURE)
    return _Draw(temperature, parameters.top_p, parameters.min_p, min(point, _HIGHEST_POINT), parameters.top_k)

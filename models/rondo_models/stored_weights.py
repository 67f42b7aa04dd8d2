"""How a module's weights stand in a safetensors file.

"float16": every tensor as it is called in the module. "int8": matrices as 8-bit integers, in half as many bytes. An
integer counts steps, which are as large as its group of 64 numbers, in the order of the matrix, needs them (block-wise
quantization: Dettmers et al. 2022, arXiv:2110.02861, with equal steps); those of `NAME` are bfloat16 numbers, called
`NAME.steps`. Vectors stay float16, and so do tables that are no weights, whose numbers must stay what they are.

Either way the numbers that come out are bfloat16 numbers, for the products of `rondo_models.native`.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Literal

import torch
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor
from torch.nn import functional

StoredAs = Literal["float16", "int8"]

_GROUP = 64
_MOST = 127
_STEPS = ".steps"


def stored(weights: Mapping[str, Tensor], how: StoredAs, tables: Collection[str] = ()) -> bytes:
    """The file's content.

    Args:
        tables: names of those that are no weights, but numbers that float16 holds.

    Raises:
        ValueError: a number is not finite, or larger than float16 holds, or one of a table is none that it holds.
    """
    tensors: dict[str, Tensor] = {}
    for name, weight in weights.items():
        value = weight.detach()
        if name in tables:
            tensors[name] = value.to(torch.float16).contiguous()
            if not torch.equal(tensors[name].to(value.dtype), value):
                raise ValueError(f"{name} has numbers that float16 does not hold")
        elif how == "int8" and value.dim() > 1:
            tensors[name], tensors[name + _STEPS] = _in_steps(value)
            _require_finite(name, tensors[name + _STEPS])
        else:
            tensors[name] = _rounded(value).to(torch.float16).contiguous()
        _require_finite(name, tensors[name])
    return save_safetensors(tensors)


def holds_integers(content: bytes) -> bool:
    """Whether the file has 8-bit integers.

    Raises:
        SafetensorError: `content` is no safetensors file.
    """
    return any(value.dtype == torch.int8 for value in load_safetensors(content).values())


def read_weights(content: bytes) -> dict[str, Tensor]:
    """Float32 weights by name, from either kind of file.

    Raises:
        SafetensorError: `content` is no safetensors file.
        ValueError: it has 8-bit integers without their steps, or with another number of them than they have groups;
            or numbers that are not finite, or of another type than weights are.
    """
    weights = dict(_read(load_safetensors(content)))
    for name, weight in weights.items():
        _require_finite(name, weight)
    return weights


def _read(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    steps_of = {name: name + _STEPS for name, value in tensors.items() if value.dtype == torch.int8}
    for name in tensors.keys() - set(steps_of.values()):
        value = tensors[name]
        if name not in steps_of:
            if not value.is_floating_point():
                raise ValueError(f"{name} has numbers of the type {value.dtype}")
            yield name, value.float()
            continue
        steps = tensors.get(steps_of[name])
        if steps is None or steps.shape != (_num_groups(value),) or not steps.is_floating_point():
            raise ValueError(f"{name}: {value.numel()} integers need {_num_groups(value)} numbers in {steps_of[name]}")
        yield name, _rounded(_from_steps(value, steps)).float()


def _require_finite(name: str, value: Tensor) -> None:
    if value.numel() and not all(map(math.isfinite, map(float, value.aminmax()))):  # which hand on what is no number
        raise ValueError(f"{name} has a number that is not finite, or too large")


def _rounded(value: Tensor) -> Tensor:
    """The nearest bfloat16 number: float16 holds it exactly, unless it is tiny or huge."""
    return value.to(torch.bfloat16)


def _num_groups(value: Tensor) -> int:
    return -(-value.numel() // _GROUP)


def _groups(value: Tensor) -> Tensor:
    """(groups, 64), the last one filled up with zeros."""
    flat = value.float().flatten()
    return functional.pad(flat, (0, -len(flat) % _GROUP)).view(-1, _GROUP)


def _in_steps(value: Tensor) -> tuple[Tensor, Tensor]:
    """Integers in the shape of `value`, and the steps of their groups."""
    groups = _groups(value)
    exact = groups.abs().amax(dim=1) / _MOST
    steps = _rounded(exact)
    steps = torch.where(steps.float() < exact, torch.nextafter(steps, torch.full_like(steps, torch.inf)), steps)
    counted = (groups / steps.float().clamp_min(torch.finfo(torch.float32).tiny)[:, None]).round()
    return counted.to(torch.int8).flatten()[: value.numel()].view(value.shape).contiguous(), steps


def _from_steps(integers: Tensor, steps: Tensor) -> Tensor:
    return (_groups(integers) * steps.float()[:, None]).flatten()[: integers.numel()].view(integers.shape)

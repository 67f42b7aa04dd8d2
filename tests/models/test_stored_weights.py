"""Weights come back from their file as they went into it, as nearly as the kind of the file allows."""

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from rondo_models.stored_weights import read_weights, stored


def _weights() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    wide = torch.randn(30, 50, generator=generator)  # 1,500 numbers: 23 whole groups of 64, and one that is not
    wide[3] *= 1000
    return {"wide": wide, "tall": torch.randn(300, 2, generator=generator) * 1e-6, "bias": torch.randn(7)}


def test_float16_holds_every_bfloat16_number() -> None:
    weights = {name: value.bfloat16().float() for name, value in _weights().items() if name != "tall"}
    read = read_weights(stored(weights, "float16"))
    assert all(torch.equal(read[name], value) for name, value in weights.items())


def test_integers_are_within_half_a_step_of_their_group() -> None:
    weights = _weights()
    read = read_weights(stored(weights, "int8"))
    assert read.keys() == weights.keys()
    assert torch.equal(read["bias"], weights["bias"].bfloat16().float())
    for name in ("wide", "tall"):
        flat, found = weights[name].flatten(), read[name].flatten()
        for begin in range(0, len(flat), 64):
            group, own = flat[begin : begin + 64], found[begin : begin + 64]
            step = float(group.abs().max()) / 127 * (1 + 2**-7)  # a bfloat16 number, so it may be a little more
            rounding = group.abs() * 2**-8  # of what comes out
            assert ((group - own).abs() <= step / 2 + rounding).all()


def test_what_comes_out_are_bfloat16_numbers() -> None:
    for value in read_weights(stored(_weights(), "int8")).values():
        assert value.dtype == torch.float32
        assert torch.equal(value, value.bfloat16().float())


def test_zeros_stay_zeros() -> None:
    read = read_weights(stored({"wide": torch.zeros(3, 100)}, "int8"))
    assert torch.equal(read["wide"], torch.zeros(3, 100))


def test_integers_take_little_more_than_half_of_the_bytes() -> None:
    weights = {"wide": torch.randn(512, 512)}
    assert len(stored(weights, "int8")) < 0.53 * len(stored(weights, "float16"))


@pytest.mark.parametrize("damage", ["missing", "too few"])
def test_integers_without_their_steps_are_refused(damage: str) -> None:
    tensors = load(stored(_weights(), "int8"))
    steps = tensors.pop("wide.steps")
    if damage == "too few":
        tensors["wide.steps"] = steps[:-1].clone()
    with pytest.raises(ValueError, match=r"wide: 1500 integers need 24 numbers in wide\.steps"):
        read_weights(save(tensors))


def test_a_weight_may_be_called_steps() -> None:
    weights = {"count.steps": torch.ones(2), "count": torch.ones(2, 2)}
    assert read_weights(stored(weights, "float16")).keys() == weights.keys()

"""Weights come back from their file as they went into it, as nearly as the kind of the file allows."""

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from rondo_models.stored_weights import StoredAs, read_weights, stored


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


@pytest.mark.parametrize("how", ["float16", "int8"])
def test_a_table_comes_back_as_it_was(how: StoredAs) -> None:
    """Bytes of hashes that had been rounded to steps, as weights are, sent nearly all words to other n-grams."""
    table = torch.arange(2560.0).view(256, 10) % 256
    weights = {"pieces": table, "wide": torch.randn(30, 50)}
    assert torch.equal(read_weights(stored(weights, how, ["pieces"]))["pieces"], table)
    with pytest.raises(ValueError, match="pieces has numbers that float16 does not hold"):
        stored({"pieces": table + 0.0001}, how, ["pieces"])


def test_a_table_in_steps_is_still_read() -> None:
    """As files of before have it."""
    assert read_weights(stored({"pieces": torch.ones(3, 10)}, "int8"))["pieces"].shape == (3, 10)


@pytest.mark.parametrize("how", ["float16", "int8"])
@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", ["wide", "bias"])
def test_what_is_not_finite_is_not_written(how: StoredAs, wrong: float, name: str) -> None:
    weights = _weights()
    weights[name].view(-1)[-1] = wrong
    with pytest.raises(ValueError, match=f"{name} has a number that is not finite"):
        stored(weights, how)


def test_what_float16_does_not_hold_is_not_written() -> None:
    with pytest.raises(ValueError, match="bias has a number that is not finite, or too large"):
        stored({"bias": torch.tensor([1e5])}, "float16")


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("bias", torch.full((7,), torch.nan), "bias has a number that is not finite"),
        ("wide.steps", torch.full((24,), torch.nan), "wide has a number that is not finite"),
        ("wide.steps", torch.full((24,), 3e38), "wide has a number that is not finite"),
        ("wide.steps", torch.ones(24, dtype=torch.int8), "wide: 1500 integers need 24 numbers"),
        ("bias", torch.ones(7, dtype=torch.bool), r"bias has numbers of the type torch\.bool"),
        ("bias", torch.ones(7, dtype=torch.complex64), r"bias has numbers of the type torch\.complex64"),
    ],
)
def test_what_no_weight_can_be_is_not_read(name: str, value: Tensor, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_weights(save({**load(stored(_weights(), "int8")), name: value}))

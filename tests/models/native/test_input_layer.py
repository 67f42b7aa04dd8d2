"""Products of the vocabulary that are looked up against those that are made."""

import pytest
import torch
from torch import Tensor

from rondo_models.cells import RecurrentStack
from rondo_models.native.input_layer import InputLayer
from rondo_models.native.library import Kernels
from rondo_models.native.operands import Known, Rows
from rondo_models.native.packing import Numbers, input_products
from rondo_models.state import RecurrentState

VOCABULARY, WIDTH, UNITS, SCALE = 50, 24, 35, 3.0
NEAR = 1e-3
"""Integers keep 14 bits."""


@pytest.fixture(autouse=True)
def _without_gradients() -> None:
    torch.manual_seed(3)


@pytest.fixture
def stack() -> RecurrentStack:
    return RecurrentStack("lstm", WIDTH, UNITS, 1, 0.0)


@pytest.fixture
def embedding() -> Tensor:
    return torch.randn(VOCABULARY, WIDTH)


def _layer(stack: RecurrentStack) -> torch.nn.LSTM:
    assert isinstance(stack.layers, torch.nn.LSTM)
    return stack.layers


@torch.inference_mode()
def test_products_are_near(stack: RecurrentStack, embedding: Tensor) -> None:
    table = input_products(_layer(stack), embedding)
    expected = embedding @ dict(_layer(stack).named_parameters())["weight_ih_l0"].T
    for unit in (0, 15, 16, UNITS - 1):
        for gate in range(4):
            column = unit // 16 * 64 + gate * 16 + unit % 16
            found = table.values[:, column] * table.steps[column]
            assert ((found - expected[:, gate * UNITS + unit]).abs() <= 0.51 * table.steps[column]).all()
            assert table.values[:, column].abs().max() == 32_767


@torch.inference_mode()
def test_tokens_without_any_product(stack: RecurrentStack) -> None:
    assert not input_products(_layer(stack), torch.zeros(VOCABULARY, WIDTH)).values.any()


@torch.inference_mode()
def test_a_step_of_chosen_rows(stack: RecurrentStack, embedding: Tensor, kernels: Kernels) -> None:
    layer, ids, index = _layer_of(stack, embedding, kernels), torch.randint(VOCABULARY, (37,)), torch.randint(40, (37,))
    hidden, cell = torch.randn(40, UNITS), torch.randn(40, UNITS)
    found = _step(layer, kernels, ids, Rows(hidden, index), Rows(cell, index))
    _, after = stack.step(SCALE * embedding[ids], RecurrentState((hidden[index][None], cell[index][None])))
    for own, expected in zip(found, after.tensors, strict=True):
        torch.testing.assert_close(own, expected[0], atol=NEAR, rtol=NEAR)


@pytest.mark.parametrize("backward", [True, False])
@pytest.mark.parametrize("batch", [1, 7, 40])
@torch.inference_mode()
def test_a_sequence(stack: RecurrentStack, embedding: Tensor, kernels: Kernels, batch: int, backward: bool) -> None:
    """It is near the reference, and each of its texts is, bit for bit, what steps make of it."""
    layer = _layer_of(stack, embedding, kernels)
    lengths, ids = torch.randint(1, 9, (batch,)), torch.randint(VOCABULARY, (batch, 8))
    hidden, cell = torch.randn(batch, UNITS), torch.randn(batch, UNITS)
    state, out = (hidden.clone(), cell.clone()), torch.empty(batch, 8, UNITS)
    kernels.lstm_sequence(layer.vectors(ids), lengths, state, layer.weights, out, 2, backward=backward)
    for row, length in enumerate(lengths.tolist()):
        own = ids[row, :length].flip(0) if backward else ids[row, :length]
        before = RecurrentState((hidden[None, row : row + 1], cell[None, row : row + 1]))
        outputs, _ = stack(SCALE * embedding[own][None], before)
        read = out[row, :length].flip(0) if backward else out[row, :length]
        torch.testing.assert_close(read, outputs[0], atol=NEAR, rtol=NEAR)
        stepped = hidden[row : row + 1], cell[row : row + 1]
        for position in range(length):
            stepped = _step(layer, kernels, own[position : position + 1], Rows(stepped[0]), Rows(stepped[1]))
            assert torch.equal(stepped[0][0], read[position])
        assert torch.equal(stepped[1][0], state[1][row])
        assert not out[row, length:].any()


@pytest.mark.parametrize(
    ("numbers", "room", "looked_up"), [("int16", 1, True), ("int16", 0, False), ("bfloat16", 1, False)]
)
def test_when_products_are_looked_up(
    stack: RecurrentStack,
    embedding: Tensor,
    monkeypatch: pytest.MonkeyPatch,
    numbers: Numbers,
    room: int,
    looked_up: bool,
) -> None:
    """Of a vocabulary that is small enough, in numbers that are no finer than the table's."""
    needed = VOCABULARY * 4 * UNITS * 2
    monkeypatch.setattr("rondo_models.native.input_layer._LARGEST_TABLE_BYTES", needed - 1 + room)
    layer = InputLayer.of(_layer(stack), embedding, SCALE, numbers)
    assert isinstance(layer.vectors(torch.tensor([1])), Known if looked_up else Rows)


def _layer_of(stack: RecurrentStack, embedding: Tensor, kernels: Kernels) -> InputLayer:
    return InputLayer.of(_layer(stack), embedding, SCALE, kernels.numbers)


def _step(layer: InputLayer, kernels: Kernels, ids: Tensor, hidden: Rows, cell: Rows) -> tuple[Tensor, Tensor]:
    vectors = layer.vectors(ids)
    if isinstance(vectors, Known):
        return kernels.lstm_step([hidden], cell, layer.weights, len(ids), 2, vectors)
    return kernels.lstm_step([vectors, hidden], cell, layer.weights, len(ids), 2)

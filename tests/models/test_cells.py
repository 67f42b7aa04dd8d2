"""The stacks against the equations, and their state."""

import pytest
import torch

from rondo_models.cells import CELLS, Cell, RecurrentStack, check_cell
from rondo_models.state import RecurrentState


def _stack(cell: Cell, layers: int = 2, *, layer_norm: bool) -> RecurrentStack:
    torch.manual_seed(0)
    return RecurrentStack(cell, 5, 7, layers, 0.0, layer_norm=layer_norm).eval()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_steps_one_by_one_equal_the_whole_run(cell: Cell, layers: int, layer_norm: bool) -> None:
    stack = _stack(cell, layers, layer_norm=layer_norm)
    inputs = torch.randn(3, 6, 5)
    with torch.inference_mode():
        outputs, last = stack(inputs)
        state = stack.initial_state(3)
        for time in range(6):
            output, state = stack.step(inputs[:, time], state)
            torch.testing.assert_close(output, outputs[:, time], atol=1e-5, rtol=1e-5)
    for stepped, run in zip(state.tensors, last.tensors, strict=True):
        torch.testing.assert_close(stepped, run, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layer_norm", [False, True])
def test_packed_run_gives_each_sequence_its_own_last_state(cell: Cell, layer_norm: bool) -> None:
    stack = _stack(cell, layer_norm=layer_norm)
    lengths = [4, 1, 6]
    inputs = torch.randn(3, 6, 5)
    packed = torch.nn.utils.rnn.pack_padded_sequence(inputs, torch.tensor(lengths), True, enforce_sorted=False)
    with torch.inference_mode():
        outputs, state = stack.forward_packed(packed)
        for row, length in enumerate(lengths):
            alone, alone_state = stack(inputs[row : row + 1, :length])
            torch.testing.assert_close(outputs[row, :length], alone[0], atol=1e-5, rtol=1e-5)
            for tensor, expected in zip(state.tensors, alone_state.tensors, strict=True):
                torch.testing.assert_close(tensor[:, row], expected[:, 0], atol=1e-5, rtol=1e-5)


def test_unknown_cell_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match="rnn, lstm, gru, sru"):
        check_cell("qrnn")


def test_state_rows_can_be_selected_and_joined() -> None:
    state = RecurrentState((torch.arange(12.0).view(2, 3, 2), torch.arange(12.0, 24.0).view(2, 3, 2)))
    chosen = state.select(torch.tensor([2, 0, 2]))
    assert chosen.num_rows == 3
    assert torch.equal(chosen.tensors[1][:, 0], state.tensors[1][:, 2])
    joined = RecurrentState.concat([state, chosen])
    assert joined.num_rows == 6


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_packed_run_goes_on_from_each_sequence_s_own_state(cell: Cell, layers: int, layer_norm: bool) -> None:
    stack = _stack(cell, layers, layer_norm=layer_norm)
    begun, more, lengths = torch.randn(3, 4, 5), torch.randn(3, 6, 5), [2, 6, 1]
    packed = torch.nn.utils.rnn.pack_padded_sequence(more, torch.tensor(lengths), True, enforce_sorted=False)
    with torch.inference_mode():
        outputs, state = stack.forward_packed(packed, stack(begun)[1])
        for row, length in enumerate(lengths):
            whole, last = stack(torch.cat([begun[row], more[row, :length]])[None])
            torch.testing.assert_close(outputs[row, :length], whole[0, 4:], atol=1e-5, rtol=1e-5)
            for tensor, expected in zip(state.tensors, last.tensors, strict=True):
                torch.testing.assert_close(tensor[:, row], expected[:, 0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layer_norm", [False, True])
def test_gradients_through_packed_runs_are_those_of_each_sequence_alone(cell: Cell, layer_norm: bool) -> None:
    stack = _stack(cell, layer_norm=layer_norm)
    inputs, lengths = torch.randn(3, 6, 5), [4, 1, 6]
    packed = torch.nn.utils.rnn.pack_padded_sequence(inputs, torch.tensor(lengths), True, enforce_sorted=False)
    together = torch.stack([tensor.square().sum() for tensor in stack.forward_packed(packed)[1].tensors]).sum()
    alone = torch.zeros(())
    for row, length in enumerate(lengths):
        _, last = stack(inputs[row : row + 1, :length])
        alone = alone + torch.stack([tensor.square().sum() for tensor in last.tensors]).sum()
    weights = [weight for weight in stack.parameters() if weight.requires_grad]
    first, second = (torch.autograd.grad(loss, weights, allow_unused=True) for loss in (together, alone))
    for own, expected in zip(first, second, strict=True):
        assert (own is None) == (expected is None)
        if own is not None and expected is not None:
            torch.testing.assert_close(own, expected, atol=1e-4, rtol=1e-4)

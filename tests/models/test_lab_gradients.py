"""The gradient experiment: what it measures is right, repeatable, bounded by clipping, and can be drawn."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from rondo_models.cells import CELLS, Cell
from rondo_models.lab.gradients import (
    VARIANTS,
    CueModel,
    GradientLab,
    GradientResult,
    Variant,
    draw,
    draw_batch,
    relative,
    run_lab,
    state_gradients,
)

LAB = GradientLab(distance=40, steps=2, hidden_size=12, batch_size=4)


@pytest.fixture(scope="module")
def results() -> list[GradientResult]:
    return run_lab(LAB)


def find(results: list[GradientResult], variant: Variant, clipped: bool = True) -> GradientResult:
    return next(result for result in results if (result.variant, result.clipped) == (variant, clipped))


@pytest.mark.parametrize("cell", CELLS)
def test_state_gradients_are_those_of_a_run_cut_in_two_at_the_state(cell: Cell) -> None:
    lab = replace(LAB, distance=6)
    torch.manual_seed(0)
    model = CueModel(lab, Variant(cell)).double()
    symbols, cues = draw_batch(lab, 5, lab.distance, torch.Generator().manual_seed(0))
    measured = state_gradients(model, symbols, cues)
    assert len(measured) == symbols.shape[1]
    inputs = model.embedding(symbols).detach()
    for steps_back in range(1, symbols.shape[1]):
        cut = symbols.shape[1] - steps_back
        _, state = model.stack(inputs[:, :cut])
        state = type(state)(tuple(tensor.detach().requires_grad_() for tensor in state.tensors))
        outputs, _ = model.stack(inputs[:, cut:], state)
        loss = functional.cross_entropy(model.output(outputs[:, -1]), cues, reduction="sum")
        gradient = torch.cat(torch.autograd.grad(loss, state.tensors), dim=-1)
        assert measured[steps_back] == pytest.approx(gradient.norm(dim=-1).mean().item())


def test_at_the_start_an_rnn_forgets_and_an_lstm_with_open_forget_gates_less(results: list[GradientResult]) -> None:
    rnn = relative(find(results, Variant("rnn")).initial)
    lstm = relative(find(results, Variant("lstm")).initial)
    assert rnn[40] < 1e-6 * rnn[1]
    assert lstm[40] > 1e3 * rnn[40]


def test_large_recurrent_weights_make_the_gradient_grow(results: list[GradientResult]) -> None:
    plain, large = (find(results, variant) for variant in VARIANTS[:2])
    assert (plain.variant.recurrent_scale, large.variant.recurrent_scale) == (1.0, 5.0)
    assert large.initial[40] > 10 * large.initial[0]


def test_every_variant_runs_with_and_without_clipping_from_one_start(results: list[GradientResult]) -> None:
    assert [(r.variant, r.clipped) for r in results] == [(v, c) for v in VARIANTS for c in (True, False)]
    for variant in VARIANTS:
        clipped, free = find(results, variant), find(results, variant, clipped=False)
        assert clipped.initial == free.initial
        assert clipped.norms[0] == free.norms[0]


def test_clipping_bounds_the_applied_norm_and_only_that(results: list[GradientResult]) -> None:
    assert any(max(result.norms) > LAB.clip for result in results if result.clipped)
    for result in results:
        bounded = [min(norm, LAB.clip) for norm in result.norms] if result.clipped else result.norms
        assert result.applied == pytest.approx(bounded, rel=1e-4)


def test_the_same_seed_gives_the_same_and_leaves_the_global_one_alone() -> None:
    before = torch.random.get_rng_state()
    small = replace(LAB, distance=3)
    first = [result.as_record() for result in run_lab(small)]
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(5)
    assert [result.as_record() for result in run_lab(small)] == first
    other = [result.as_record() for result in run_lab(replace(small, seed=2))]
    assert all(a["norms"] != b["norms"] for a, b in zip(first, other, strict=True))


def test_a_near_cue_is_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rondo_models.lab.gradients.VARIANTS", (Variant("gru", learning_rate=0.03),))
    for result in run_lab(GradientLab(distance=2, steps=60)):
        assert result.accuracy > 0.95
        assert result.final_loss < 0.5 * result.losses[0]
        assert not result.diverged


def test_records_are_json(results: list[GradientResult]) -> None:
    for result in results:
        record = json.loads(json.dumps(result.as_record(), allow_nan=False))
        assert record["cell"] == result.variant.cell
        assert record["clip"] == (LAB.clip if result.clipped else None)
        assert len(record["state_gradient_initial"]) == LAB.distance + 2
        assert len(record["norms"]) == LAB.steps
        assert "\n" not in result.summary()


def test_what_is_not_finite_is_divergence_and_none_in_the_record(results: list[GradientResult], tmp_path: Path) -> None:
    broken = replace(
        results[0], trained=[0.0] * 3, norms=[2.0, math.inf], applied=[1.0], losses=[1.0, math.nan], accuracy=0.25
    )
    assert broken.diverged
    record = broken.as_record()
    json.dumps(record, allow_nan=False)
    assert record["norms"] == [2.0, None]
    assert record["max_norm"] == 2.0
    assert record["reaches_cue_trained"] is None
    assert "diverged" in broken.summary()
    draw([broken], tmp_path / "broken.png")


def test_ending_far_worse_than_guessing_is_divergence(results: list[GradientResult]) -> None:
    guessing = math.log(LAB.num_symbols)
    assert not replace(results[0], losses=[guessing]).diverged
    assert replace(results[0], losses=[3 * guessing]).diverged


def test_draws_a_png(results: list[GradientResult], tmp_path: Path) -> None:
    draw(results, tmp_path / "gradients.png")
    assert (tmp_path / "gradients.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "setting",
    [
        {"distance": 0},
        {"steps": 0},
        {"seed": -1},
        {"seed": 2**63},
        {"hidden_size": 0},
        {"batch_size": 0},
        {"num_symbols": 1},
        {"clip": 0.0},
        {"clip": math.nan},
        {"clip": math.inf},
    ],
)
def test_bad_settings_raise(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        GradientLab(**setting)

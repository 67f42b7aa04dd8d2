"""How the gradient fades or explodes with distance in RNN, LSTM and GRU, with and without clipping.

The task: a cue symbol, then `distance` noise symbols, then a question symbol; after the question, name the cue.
Only the first symbol matters, so learning needs a gradient that survives the whole way back to it.

In a recurrent net dLoss/dh_t is a product of one Jacobian a step, so that with distance it shrinks or grows
exponentially (Bengio et al. 1994, "Learning long-term dependencies with gradient descent is difficult"). The LSTM's
cell, which a step adds to, was made against the shrinking (Hochreiter & Schmidhuber 1997, "Long short-term memory");
clipping the norm of the parameters' gradient was made against the growth (Pascanu et al. 2013, arXiv:1211.5063).

Sizes are small: one CPU thread is enough. Nothing here is used by a service.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from ..cells import Cell, RecurrentStack

EMBEDDING_SIZE = 16
NUM_TEST_ROWS = 512


@dataclass(frozen=True)
class Variant:
    """A cell, its start and its optimizer.

    Args:
        cell: one of `cells.CELLS`.
        recurrent_scale: factor on the initial recurrent weights; 1 is the stack's own start.
        optimizer: adam, or sgd without momentum, for which clipping was proposed.
        learning_rate: constant over the training.
    """

    cell: Cell
    recurrent_scale: float = 1.0
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 0.01

    @property
    def name(self) -> str:
        """For a legend: "rnn ×5 sgd"."""
        scale = f" ×{self.recurrent_scale:g}" if self.recurrent_scale != 1 else ""
        return self.cell + scale + (" sgd" if self.optimizer == "sgd" else "")


VARIANTS = (
    Variant("rnn"),
    Variant("rnn", recurrent_scale=5.0),
    Variant("rnn", recurrent_scale=5.0, optimizer="sgd", learning_rate=1.0),
    Variant("lstm"),
    Variant("gru"),
)


@dataclass(frozen=True)
class GradientLab:
    """Settings of the experiment.

    Args:
        distance: noise symbols between cue and question. Training draws each batch's own evenly from 1 to this,
            so that there is something near to learn first; measurements are at the full distance.
        steps: training steps of each run.
        seed: decides weights and data; runs of one cell with and without clipping start alike.
        hidden_size: of the one recurrent layer.
        batch_size: sequences in a step, and in a measurement of dLoss/dh_t.
        num_symbols: different cues; guessing is right once in so many.
        clip: largest norm of the parameters' gradient in the runs that clip.

    Raises:
        ValueError: a setting is out of range.
    """

    distance: int = 100
    steps: int = 400
    seed: int = 1
    hidden_size: int = 32
    batch_size: int = 32
    num_symbols: int = 4
    clip: float = 1.0

    def __post_init__(self) -> None:
        smallest = {"distance": 1, "steps": 1, "seed": 0, "hidden_size": 1, "batch_size": 1, "num_symbols": 2}
        for name, least in smallest.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if self.seed >= 2**63:
            raise ValueError(f"seed must be below 2**63, not {self.seed}")
        if not (self.clip > 0 and math.isfinite(self.clip)):
            raise ValueError(f"clip must be positive and finite, not {self.clip}")


@dataclass(frozen=True)
class GradientResult:
    """One training run and its gradients; a value that is not finite stays so here and is None in the record.

    Args:
        lab: the settings.
        variant: the cell, its start and its optimizer.
        clipped: whether the gradient was clipped.
        initial: mean norm of dLoss/dh_t before training, at 0, 1, … steps back from the last position; the last
            entry, `distance` + 1 steps back, is the state that has just read the cue.
        trained: the same after training.
        norms: norm of the gradient of all parameters at each training step, before clipping.
        applied: the same after clipping, as the optimizer saw it; a step that is not finite has none.
        losses: training loss of each step, in nats.
        accuracy: share of new sequences of the full distance whose cue is named, 0 to 1.
    """

    lab: GradientLab
    variant: Variant
    clipped: bool
    initial: list[float]
    trained: list[float]
    norms: list[float]
    applied: list[float]
    losses: list[float]
    accuracy: float

    @property
    def max_norm(self) -> float:
        """Largest finite norm before clipping; NaN if there is none."""
        return max(filter(math.isfinite, self.norms), default=math.nan)

    @property
    def median_norm(self) -> float:
        """Median of the finite norms before clipping; NaN if there is none."""
        finite = list(filter(math.isfinite, self.norms))
        return median(finite) if finite else math.nan

    @property
    def final_loss(self) -> float:
        """Mean training loss over the last tenth of the steps, in nats."""
        return fmean(self.losses[-max(1, len(self.losses) // 10) :])

    @property
    def diverged(self) -> bool:
        """Whether a loss or gradient was not finite, or training ended at over twice the loss of guessing."""
        finite = all(map(math.isfinite, self.losses + self.norms))
        return not finite or self.final_loss > 2 * math.log(self.lab.num_symbols)

    def as_record(self) -> dict[str, Any]:
        """All of it for JSON; None stands for what is not finite."""
        return {
            "cell": self.variant.cell,
            "recurrent_scale": self.variant.recurrent_scale,
            "optimizer": self.variant.optimizer,
            "learning_rate": self.variant.learning_rate,
            "clip": self.lab.clip if self.clipped else None,
            "distance": self.lab.distance,
            "steps": self.lab.steps,
            "seed": self.lab.seed,
            "hidden_size": self.lab.hidden_size,
            "batch_size": self.lab.batch_size,
            "num_symbols": self.lab.num_symbols,
            "diverged": self.diverged,
            "accuracy": _number(self.accuracy),
            "final_loss": _number(self.final_loss),
            "max_norm": _number(self.max_norm),
            "median_norm": _number(self.median_norm),
            "max_applied_norm": _number(max(self.applied, default=math.nan)),
            "reaches_cue_initial": _number(relative(self.initial)[-1]),
            "reaches_cue_trained": _number(relative(self.trained)[-1]),
            "state_gradient_initial": [_number(value) for value in self.initial],
            "state_gradient_trained": [_number(value) for value in self.trained],
            "norms": [_number(value) for value in self.norms],
            "losses": [_number(value) for value in self.losses],
        }

    def summary(self) -> str:
        """One line for a terminal."""
        clip = f"clip {self.lab.clip:g}" if self.clipped else "no clip"
        return (
            f"{self.variant.name:<11}{clip:<9}gradient at the cue / at the end: "
            f"{relative(self.initial)[-1]:.0e} at init, {relative(self.trained)[-1]:.0e} trained; "
            f"norm median {self.median_norm:.2g}, max {self.max_norm:.2g}; "
            f"accuracy {self.accuracy:.0%}{'; diverged' if self.diverged else ''}"
        )


class CueModel(nn.Module):
    """Embedding, one recurrent layer, and a linear layer on the last state."""

    def __init__(self, lab: GradientLab, variant: Variant) -> None:
        super().__init__()
        self.embedding = nn.Embedding(2 * lab.num_symbols + 1, EMBEDDING_SIZE)
        self.stack = RecurrentStack(variant.cell, EMBEDDING_SIZE, lab.hidden_size, num_layers=1, dropout=0.0)
        self.output = nn.Linear(lab.hidden_size, lab.num_symbols)
        with torch.no_grad():
            for name, parameter in self.stack.named_parameters():
                if "weight_hh" in name:
                    parameter.mul_(variant.recurrent_scale)

    def forward(self, symbols: Tensor) -> Tensor:
        """Symbols (batch, time) to logits of the cue (batch, num_symbols)."""
        outputs, _ = self.stack(self.embedding(symbols))  # (batch, time, hidden)
        logits: Tensor = self.output(outputs[:, -1])
        return logits


def draw_batch(lab: GradientLab, rows: int, distance: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random sequences (rows, distance + 2) of cue, noise and question, and their cues (rows,)."""
    cues = torch.randint(lab.num_symbols, (rows,), generator=generator)
    noise = torch.randint(lab.num_symbols, 2 * lab.num_symbols, (rows, distance), generator=generator)
    question = torch.full((rows, 1), 2 * lab.num_symbols)
    return torch.cat([cues[:, None], noise, question], dim=1), cues


def state_gradients(model: CueModel, symbols: Tensor, cues: Tensor) -> list[float]:
    """Norms of the gradient of a sequence's loss with respect to its state, mean over the batch.

    The state is all that a step hands to the next: h, for LSTM h and c, whose gradients are taken as one vector, and
    c for SRU. At the last position it is the output, all of it that is read.
    Computed in float64, for in float32 the far ones would be zero.

    Args:
        model: is left as it is.
        symbols: (batch, time).
        cues: (batch,).

    Returns:
        (time,) norms, the last position's first: entry d is d steps back.
    """
    model = copy.deepcopy(model).double()
    inputs = model.embedding(symbols)  # (batch, time, embedding)
    state, states = model.stack.initial_state(len(symbols)), []
    for position in range(symbols.shape[1]):
        outputs, state = model.stack.step(inputs[:, position], state)
        for tensor in state.tensors:
            tensor.retain_grad()
        states.append(state)
    outputs.retain_grad()
    functional.cross_entropy(model.output(outputs), cues, reduction="sum").backward()  # type: ignore[no-untyped-call]
    assert outputs.grad is not None
    norms = [outputs.grad.norm(dim=-1).mean().item()]  # of the last state nothing but this is read
    for state in reversed(states[:-1]):
        gradients = torch.cat([tensor.grad for tensor in state.tensors if tensor.grad is not None], dim=-1)
        norms.append(gradients.norm(dim=-1).mean().item())  # of (layers = 1, batch, hidden or 2 * hidden)
    return norms


def relative(norms: Sequence[float]) -> list[float]:
    """Norms as shares of the last position's (the first entry); NaN where that is zero."""
    return [value / norms[0] if norms[0] else math.nan for value in norms]


def run_lab(lab: GradientLab) -> list[GradientResult]:
    """Train every variant with and without clipping and measure its gradients.

    Returns:
        a result for each of `VARIANTS`, clipped and then not. The global random state is left alone.
    """
    return [_run(lab, variant, clipped) for variant in VARIANTS for clipped in (True, False)]


def _run(lab: GradientLab, variant: Variant, clipped: bool) -> GradientResult:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(lab.seed)
        model = CueModel(lab, variant)
    generator = torch.Generator().manual_seed(lab.seed)
    probe = draw_batch(lab, lab.batch_size, lab.distance, generator)
    test_symbols, test_cues = draw_batch(lab, NUM_TEST_ROWS, lab.distance, generator)
    initial = state_gradients(model, *probe)
    norms, applied, losses = _train(lab, variant, model, lab.clip if clipped else None, generator)
    with torch.no_grad():
        accuracy = (model(test_symbols).argmax(dim=-1) == test_cues).float().mean().item()
    trained = state_gradients(model, *probe)
    return GradientResult(lab, variant, clipped, initial, trained, norms, applied, losses, accuracy)


def _train(
    lab: GradientLab, variant: Variant, model: CueModel, clip: float | None, generator: torch.Generator
) -> tuple[list[float], list[float], list[float]]:
    """Norms before clipping, norms after it, and losses, one a step; ends early at what is not finite."""
    parameters = list(model.parameters())
    optimizer: torch.optim.Optimizer
    if variant.optimizer == "adam":
        optimizer = torch.optim.Adam(parameters, variant.learning_rate)
    elif variant.optimizer == "sgd":
        optimizer = torch.optim.SGD(parameters, variant.learning_rate)
    else:
        raise ValueError(f"unknown optimizer {variant.optimizer!r}; choose one of adam, sgd")
    norms, applied, losses = [], [], []
    for _ in range(lab.steps):
        distance = int(torch.randint(1, lab.distance + 1, (), generator=generator))
        symbols, cues = draw_batch(lab, lab.batch_size, distance, generator)
        loss = functional.cross_entropy(model(symbols), cues)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = _gradient_norm(parameters)
        losses.append(loss.item())
        norms.append(norm.item())
        if not (math.isfinite(losses[-1]) and math.isfinite(norms[-1])):
            break
        if clip is not None:
            clip_grads_with_norm_(parameters, clip, norm)
        applied.append(_gradient_norm(parameters).item())
        optimizer.step()
    return norms, applied, losses


def _gradient_norm(parameters: Sequence[nn.Parameter]) -> Tensor:
    """Norm of all gradients as one vector, ()."""
    return get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])


def _number(value: float) -> float | None:
    """To four digits; None if not finite."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


CURVE_COLOURS = ("tab:red", "tab:orange", "tab:brown", "tab:blue", "tab:green")


def draw(results: Sequence[GradientResult], path: Path) -> None:
    """Draw a PNG of two panels to `path`: gradients against distance, and gradients over the training steps.

    Left: norm of dLoss/dh_t as a share of the last position's, of the variants trained with Adam, clipped.
    Right: norm of all parameters' gradient before clipping, of the gated cells and of the RNN trained with SGD; the
    others are left out for clarity.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.lines import Line2D

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(13, 5.2), layout="constrained")
    colours = dict(zip(VARIANTS, CURVE_COLOURS, strict=True))
    for result in results:
        variant, colour = result.variant, colours[result.variant]
        if result.clipped and variant.optimizer == "adam":
            left.plot(relative(result.initial), color=colour, linestyle="--", linewidth=1.2)
            left.plot(relative(result.trained), color=colour, label=variant.name)
        if variant.cell != "rnn" or variant.optimizer == "sgd":
            style, label = ("-", variant.name) if result.clipped else ("--", None)
            right.plot(result.norms, color=colour, linestyle=style, linewidth=0.9, label=label)
    left.set(yscale="log", xlabel="steps back in time", ylabel="‖∂loss/∂state‖, relative to the last step")
    left.set_title("Gradient against distance")
    right.set(yscale="log", xlabel="training step", ylabel="norm of the parameters' gradient before clipping")
    right.set_title("Gradient over training")
    for clip in {result.lab.clip for result in results}:
        right.axhline(clip, color="black", linewidth=1, linestyle=":", label=f"the clip, {clip:g}")
    for axis, dashed, whole in ((left, "at init", "trained, clipped"), (right, "not clipped", "clipped")):
        lines = [*axis.get_legend_handles_labels()[0]]
        lines.append(Line2D([], [], color="black", linewidth=1, linestyle="--", label=dashed))
        lines.append(Line2D([], [], color="black", linewidth=1, linestyle="-", label=whole))
        axis.legend(handles=lines, fontsize="small")
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)

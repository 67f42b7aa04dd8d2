"""The training loop: draw, compute, update, now and then look at dev and write a checkpoint.

Everything random in a step depends on the run's seed and the step's number alone, so a run that was killed and
resumed ends with the same weights as one that was not.
"""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from ..config import ConfigError
from ..memory import give_memory_back
from ..model import RondoModel
from .checkpoint import checkpoint_path, read_checkpoint, write_checkpoint
from .distillation import Lesson
from .drawing import Drawn
from .progress import Display, RunLog
from .regularization import Noise
from .schedule import learning_rate
from .supply import AheadSupply, DirectSupply, Supply, lost_loaders_told
from .tasks import Task, TaskLoss
from .weight_dropout import dropped_recurrent_weights
from .workers import Helpers, Statistics, flat_gradients


class TrainingDiverged(RuntimeError):
    """The loss or a gradient is not finite."""


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Settings of one phase.

    Attributes:
        steps: weight updates; with 0 the phase is left out.
        micro_batches: batches, each of its own task, whose gradients make one update.
        workers: processes that share the micro-batches of a step; 1 on a GPU.
        loaders: further processes that draw batches ahead, for a GPU; 0: each is drawn when its turn comes.
        ema_decay: of the average of the weights that is kept as the result.
        clip: largest norm of the gradient.
        weight_dropout: share of the backbone's recurrent matrices that each batch goes without (as in AWD-LSTM).
        freeze_backbone: train heads only.
        patience: stop after so many looks at dev without a better mean loss; 0 never.

    Raises:
        ValueError: a value that cannot be.
    """

    steps: int
    learning_rate: float = 1e-3
    warmup_steps: int = 300
    final_rate_share: float = 0.02
    weight_decay: float = 1e-5
    clip: float = 1.0
    ema_decay: float = 0.998
    micro_batches: int = 2
    workers: int = 1
    loaders: int = 0
    word_dropout: float = 0.1
    weight_dropout: float = 0.0
    bfloat16: bool = True
    freeze_backbone: bool = False
    seed: int = 1
    log_every: int = 50
    dev_every: int = 500
    checkpoint_every: int = 500
    patience: int = 0

    def __post_init__(self) -> None:
        if self.steps < 0 or self.micro_batches < 1:
            raise ValueError("steps must not be negative, and micro_batches at least 1")
        for name in ("log_every", "dev_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("learning_rate", "warmup_steps", "weight_decay", "seed", "patience"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        if not 0 <= self.final_rate_share <= 1:
            raise ValueError(f"final_rate_share must be in [0, 1], not {self.final_rate_share}")
        if self.clip <= 0:
            raise ValueError(f"clip must be above 0, not {self.clip}")
        if self.workers not in (1, self.micro_batches):
            raise ValueError(f"workers must be 1 or micro_batches ({self.micro_batches}), not {self.workers}")
        if self.loaders < 0:
            raise ValueError(f"loaders must not be negative, not {self.loaders}")
        if self.loaders and self.workers > 1:
            raise ValueError("loaders are for one worker: several draw their own batches")
        for name in ("word_dropout", "weight_dropout", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), not {getattr(self, name)}")
        if self.weight_dropout and self.freeze_backbone:
            raise ValueError("weight_dropout is of the backbone, which is frozen here")

    @property
    def leaves_backbone(self) -> bool:
        """Whether the backbone is afterwards what it was before."""
        return self.freeze_backbone or not self.steps


class _Optimizer:
    """Adam for the backbone and for each head; a head that no batch of the step used keeps its weights."""

    def __init__(self, model: RondoModel, config: TrainingConfig) -> None:
        parts: dict[str, torch.nn.Module] = {name: model.head(name) for name in model.heads}
        if not config.freeze_backbone:
            parts["backbone"] = model.backbone
        self.parts = {
            name: torch.optim.AdamW(
                part.parameters(),
                lr=config.learning_rate,
                weight_decay=config.weight_decay,
                betas=(0.9, 0.98),
                fused=True,
            )
            for name, part in parts.items()
        }

    def step(self, heads: set[str], rate: float, clip: float) -> float:
        used = [self.parts[name] for name in ("backbone", *sorted(heads)) if name in self.parts]
        parameters = [p for optimizer in used for group in optimizer.param_groups for p in group["params"]]
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, clip))
        if math.isfinite(norm):
            for optimizer in used:
                for group in optimizer.param_groups:
                    group["lr"] = rate
                optimizer.step()
        return norm

    def state_dict(self) -> dict[str, Any]:
        return {name: optimizer.state_dict() for name, optimizer in self.parts.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, own in state.items():
            self.parts[name].load_state_dict(own)


def _row(number: int, drawn: Drawn, result: TaskLoss) -> Statistics:
    """What the log needs of a batch; this waits for the GPU."""
    objective, log_likelihood = torch.stack([result.objective.detach(), result.log_likelihood]).tolist()
    return [float(number), objective, log_likelihood, float(drawn.num_targets), float(drawn.num_tokens)]


def evaluate_tasks(model: RondoModel, tasks: Sequence[Task], *, low_precision: bool) -> dict[str, dict[str, float]]:
    """Mean loss (nats a target) and, for classification, accuracy of each task, without noise.

    The model is left in evaluation mode.
    """
    model.eval()
    device, pad_id = model.backbone.embedding.weight.device, model.backbone.config.pad_id
    rng = numpy.random.default_rng(0)
    results = {}
    with torch.inference_mode():
        for task in tasks:
            total, correct, targets = torch.zeros((), device=device), torch.zeros((), device=device), 0
            for batch in task.batches(rng, training=False):
                drawn = task.draw(batch, rng, pad_id, training=False).to(device)
                result = task.loss(model, drawn, Noise(low_precision=low_precision))
                total += result.log_likelihood
                targets += drawn.num_targets
                if result.num_correct is not None:
                    correct += result.num_correct
            results[task.name] = {"loss": -float(total) / targets}
            if correct:
                results[task.name]["accuracy"] = float(correct) / targets
    return results


class Trainer:
    """Trains `model` on weighted tasks in one phase, resuming from `folder` if it holds a checkpoint.

    Args:
        lessons: by the name of a task, what it learns from teachers, which are where the model is.
    """

    def __init__(
        self,
        model: RondoModel,
        tasks: Sequence[Task],
        weights: Sequence[float],
        dev_tasks: Sequence[Task],
        config: TrainingConfig,
        folder: Path,
        title: str = "train",
        lessons: Mapping[str, Lesson] | None = None,
    ) -> None:
        self.model = model
        self.tasks = tasks
        self.weights = weights
        self.dev_tasks = dev_tasks
        self.config = config
        self.title = title
        self.lessons = lessons or {}
        self.log = RunLog(folder / "log.jsonl")
        self._path = checkpoint_path(folder, title)
        self._noise = Noise(config.word_dropout, config.bfloat16)
        self._device = model.backbone.embedding.weight.device
        # On a GPU the recurrent layers would be cast to float16, whose gradients vanish; there they use TF32.
        self._casts = config.bfloat16 and self._device.type == "cpu"
        self._best = math.inf
        self._looks_without_gain = 0

    @lost_loaders_told()
    def run(self, on_step: Callable[[int], None] = lambda step: None) -> RondoModel:
        """Train to the end; the model holds the averaged weights afterwards.

        Args:
            on_step: called with the number of steps done, after each.

        Raises:
            TrainingDiverged: the loss or the gradient became infinite or undefined.
            WorkerLost: a process that computes or draws batches died.
            ConfigError: the folder holds a finished run of another length.
        """
        config, model = self.config, self.model
        model.backbone.requires_grad_(not config.freeze_backbone)
        gradients = flat_gradients(model)
        optimizer = _Optimizer(model, config)
        average = {name: value.detach().clone() for name, value in model.state_dict().items()}
        start = self._restore(optimizer, average)
        self._set_training_mode()
        self._supply = self._supply_from(start)
        helpers = Helpers(model, config.workers - 1, self._compute)
        window: list[Statistics] = []
        window_began = time.monotonic()
        try:
            with Display(start, config.steps, self.title) as display:
                for step in range(start, config.steps):
                    gradients.zero_()
                    helpers.start(step)
                    rows = [
                        self._compute(step, micro)
                        for micro in range(config.micro_batches if config.workers == 1 else 1)
                    ]
                    rows.extend(helpers.collect(gradients))
                    gradients.div_(config.micro_batches)
                    self._update(step, rows, optimizer, average)
                    window.extend(rows)
                    done = step + 1
                    if done % config.log_every == 0 or done == config.steps:
                        self._report(done, window, time.monotonic() - window_began, display)
                        window, window_began = [], time.monotonic()
                    stop = False
                    if done % config.dev_every == 0 or done == config.steps:
                        stop = self._look_at_dev(done, average)
                        window_began = time.monotonic()
                    if done % config.checkpoint_every == 0 or done == config.steps or stop:
                        self._save(done, optimizer, average, finished=stop or done == config.steps)
                    on_step(done)
                    if stop:
                        break
        finally:
            helpers.close()
            self._supply.close()
        model.load_state_dict(average)
        model.requires_grad_(True)
        return model

    def _supply_from(self, start: int) -> Supply:
        config = self.config
        direct = DirectSupply(self.tasks, self.weights, config.seed, self.model.backbone.config.pad_id)
        if not config.loaders or start == config.steps:
            return direct
        first, on_gpu = start * config.micro_batches, self._device.type == "cuda"
        return AheadSupply(self.tasks, direct, first, config.loaders, pinned=on_gpu)

    def _set_training_mode(self) -> None:
        """Dropout on, but not in a frozen backbone: its part is to be as it will be in use."""
        self.model.train()
        if self.config.freeze_backbone:
            self.model.backbone.eval()

    def _compute(self, step: int, micro: int) -> Statistics:
        """Add the gradient of one micro-batch; now and then, in each process, without what is left of those before."""
        if step % self.config.log_every == 0:
            give_memory_back()
        task, drawn = self._supply.take(step * self.config.micro_batches + micro)
        torch.manual_seed((self.config.seed * 1_000_003 + step) * 64 + micro)
        with (
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._casts),
            dropped_recurrent_weights(self.model.backbone, self.config.weight_dropout),
        ):
            result = task.loss(self.model, drawn.to(self._device), self._noise, self.lessons.get(task.name))
        result.objective.backward()  # type: ignore[no-untyped-call]
        return _row(list(self.tasks).index(task), drawn, result)

    def _update(self, step: int, rows: list[Statistics], optimizer: _Optimizer, average: dict[str, Tensor]) -> None:
        config = self.config
        if not all(math.isfinite(row[1]) for row in rows):
            names = sorted({self.tasks[int(row[0])].name for row in rows if not math.isfinite(row[1])})
            raise TrainingDiverged(
                f"the loss of {', '.join(names)} is not finite at step {step}; the checkpoint before it is kept: "
                "resume with a lower learning_rate or clip"
            )
        rate = learning_rate(step, config.steps, config.learning_rate, config.warmup_steps, config.final_rate_share)
        heads = {self.tasks[int(row[0])].head for row in rows}
        norm = optimizer.step(heads, rate, config.clip)
        if not math.isfinite(norm):
            raise TrainingDiverged(f"the gradient is not finite at step {step}; resume with a lower learning_rate")
        decay = min(config.ema_decay, (1 + step) / (10 + step))
        with torch.no_grad():
            current = self.model.state_dict()
            torch._foreach_lerp_([average[name] for name in average], [current[name] for name in average], 1 - decay)

    def _report(self, done: int, window: list[Statistics], seconds: float, display: Display) -> None:
        sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for number, _, log_likelihood, targets, _ in window:
            entry = sums[self.tasks[int(number)].name]
            entry[0] -= log_likelihood
            entry[1] += targets
        tokens_per_s = sum(row[4] for row in window) / max(seconds, 1e-9)
        mean = sum(row[1] for row in window) / len(window)
        display.update(done, mean, tokens_per_s)
        self.log.write(
            phase=self.title,
            step=done,
            objective=round(mean, 4),
            losses={name: round(total / count, 4) for name, (total, count) in sorted(sums.items())},
            tokens_per_s=round(tokens_per_s),
        )

    def _look_at_dev(self, done: int, average: dict[str, Tensor]) -> bool:
        """Evaluate the averaged weights; whether to stop early."""
        if not self.dev_tasks:
            return False
        current = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(average)
        results = evaluate_tasks(self.model, self.dev_tasks, low_precision=self.config.bfloat16)
        self.model.load_state_dict(current)
        self._set_training_mode()
        rounded = {n: {k: round(v, 4) for k, v in r.items()} for n, r in results.items()}
        self.log.write(phase=self.title, step=done, dev=rounded)
        mean = sum(result["loss"] for result in results.values()) / len(results)
        if mean < self._best:
            self._best = mean
            self._looks_without_gain = 0
        else:
            self._looks_without_gain += 1
        return 0 < self.config.patience <= self._looks_without_gain

    def _save(self, done: int, optimizer: _Optimizer, average: dict[str, Tensor], *, finished: bool) -> None:
        write_checkpoint(
            self._path,
            {
                "step": done,
                "steps": self.config.steps,
                "finished": finished,
                "model": self.model.state_dict(),
                "average": average,
                "optimizer": optimizer.state_dict(),
                "best": self._best,
                "looks_without_gain": self._looks_without_gain,
            },
        )

    def _restore(self, optimizer: _Optimizer, average: dict[str, Tensor]) -> int:
        """Load the last checkpoint, if any; the step to go on with."""
        state = read_checkpoint(self._path)
        if state is None:
            return 0
        if state["finished"] and state["steps"] != self.config.steps:
            raise ConfigError(
                f"{self._path} finished a run of {state['steps']} steps; for one of {self.config.steps} take another "
                "run folder, or go on from its bundle with --init"
            )
        if not state["finished"] and state["step"] > self.config.steps:
            raise ConfigError(
                f"{self._path} has done {state['step']} steps; for {self.config.steps} take another run folder"
            )
        known = state["optimizer"].keys() | {"backbone"}
        new = [name for name in self.model.heads if name not in known]  # heads that the recipe got since: they begin
        kept = {k: v for k, v in self.model.state_dict().items() if k.startswith(tuple(f"heads.{n}." for n in new))}
        try:
            self.model.load_state_dict({**kept, **state["model"]})
        except RuntimeError as error:
            raise ConfigError(f"{self._path} is of another recipe; take another run folder: {error}") from error
        optimizer.load_state_dict(state["optimizer"])
        for name, value in state["average"].items():
            average[name].copy_(value)
        self._best = float(state["best"])
        self._looks_without_gain = int(state["looks_without_gain"])
        return self.config.steps if state["finished"] else int(state["step"])

"""What the cells and encoders of several recipes cost: training, reading, writing, and memory of a stream.

Models are as a recipe builds them, untrained: what is timed does not depend on the weights. All run in plain PyTorch,
on one thread; seconds are of the processor, so that other work on the machine counts little. The recipes take turns.

    python benchmarks/backbones.py configs/cells/*.toml
"""

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Self

import numpy
import torch
from torch import Tensor

from benchmarks.reporting import THREADS, describe_machine, machine_line, table
from rondo_models.backbone import BackboneConfig
from rondo_models.config import Precision, config_from
from rondo_models.decoding.lanes import Lane, LaneState
from rondo_models.decoding.scores import greediest
from rondo_models.executor import TorchExecutor
from rondo_models.model import RondoModel
from rondo_models.training.drawing import Drawn
from rondo_models.training.regularization import Noise
from rondo_models.training.sequences import Sequences
from rondo_models.training.tasks import Seq2SeqTask
from rondo_services.training.recipe import read_recipe

_HEAD = "translation"
_LENGTH = 16
"""Tokens of a source and of a target."""

_LONG = 512
_TRAINED_ROWS = 64
_FIRST_ID = 4
Work = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A recipe's model and what it is asked; each work returns the number of tokens that it took or wrote."""

    name: str
    model: RondoModel
    works: dict[str, Work]

    @classmethod
    def of(cls, path: Path) -> Self:
        """Build what a recipe says; it must have a head for translation."""
        recipe = read_recipe(path)
        values = {**recipe.backbone, "vocabulary_size": recipe.vocabulary_size}
        torch.manual_seed(0)
        model = RondoModel(config_from(BackboneConfig, values, "backbone"), {_HEAD: recipe.heads[_HEAD]})
        works = {
            "training": _training(model),
            "training, one stack": _stack_training(model, _TRAINED_ROWS, _LENGTH),
            f"training, one stack, {_LONG} long": _stack_training(model, 4, _LONG),
            "reading 1": _reading(model, 1, _LENGTH),
            "reading 64": _reading(model, 64, _LENGTH),
            "reading 64, bfloat16": _reading(model, 64, _LENGTH, "bfloat16"),
            f"reading 4, {_LONG} long": _reading(model, 4, _LONG),
            "writing 1": _writing(model, 1),
            "writing 64": _writing(model, 64),
        }
        return cls(path.stem, model, works)

    def memory(self) -> dict[str, int]:
        """Bytes that one translation holds while it is written: its own state, and of each token of its source."""
        states = [_begun(self.model, 1, length)[1] for length in (_LENGTH, 2 * _LENGTH)]
        sizes = [sum(tensor.nbytes for tensor in _own_tensors(state)) for state in states]
        by_token = (sizes[1] - sizes[0]) // _LENGTH
        return {"state_bytes": sizes[0] - _LENGTH * by_token, "source_token_bytes": by_token}

    def parameters(self) -> dict[str, int]:
        """Counts: all, and all but the embedding."""
        count = sum(parameter.numel() for parameter in self.model.parameters())
        return {"parameters": count, "without_embedding": count - self.model.backbone.embedding.weight.numel()}


def _own_tensors(state: LaneState) -> list[Tensor]:
    """The float tensors of a state, those that are one in memory once."""
    assert state.decoder is not None
    assert state.memory is not None
    tensors = [*state.lower.tensors, *state.decoder.top.tensors, state.memory.keys, state.memory.values]
    return list({tensor.data_ptr(): tensor for tensor in tensors}.values())


def _ids(model: RondoModel, rows: int, time: int) -> Tensor:
    return torch.randint(_FIRST_ID, model.backbone.config.vocabulary_size, (rows, time))


def _training(model: RondoModel) -> Work:
    """A whole step of a batch of pairs: loss and gradient as the trainer computes them, and an update."""
    ids = [_ids(model, _TRAINED_ROWS, _LENGTH).tolist() for _ in range(2)]
    sources, targets = (Sequences.of(own) for own in ids)
    task = Seq2SeqTask("pairs", _HEAD, 0, sources, targets)
    drawn: Drawn = task.draw(numpy.arange(_TRAINED_ROWS), numpy.random.default_rng(0), 0, training=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, fused=True)

    def work() -> int:
        model.train()
        with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16):
            loss = task.loss(model, drawn, Noise(low_precision=True)).objective
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        model.eval()
        return drawn.num_tokens

    return work


def _stack_training(model: RondoModel, rows: int, time: int) -> Work:
    """The forward stack alone, forward and backward pass."""
    stack = model.backbone.forward_stack
    inputs = torch.randn(rows, time, model.backbone.config.embedding_size)

    def work() -> int:
        stack.train()
        with torch.enable_grad():
            with torch.autocast("cpu", torch.bfloat16):
                outputs, _ = stack(inputs)
            outputs.float().sum().backward()
        stack.zero_grad()
        stack.eval()
        return rows * time

    return work


def _reading(model: RondoModel, rows: int, time: int, precision: Precision = "float32") -> Work:
    """Both directions of so many texts, as before they are translated or classified."""
    executor = TorchExecutor(model, [], precision)
    ids, lengths = _ids(model, rows, time), torch.full((rows,), time)

    def work() -> int:
        executor.encode(ids, lengths, rough=False)
        return rows * time

    return work


def _begun(model: RondoModel, rows: int, time: int) -> tuple[TorchExecutor, LaneState]:
    executor = TorchExecutor(model, [])
    encoded = executor.encode(_ids(model, rows, time), torch.full((rows,), time), rough=False)
    return executor, executor.begin(_HEAD, encoded)


def _writing(model: RondoModel, rows: int) -> Work:
    """Translations of so many texts at once, always with the likeliest token; reading is not counted."""
    executor, begun = _begun(model, rows, _LENGTH)

    def work() -> int:
        state, ids = begun, torch.full((rows,), _FIRST_ID)
        for _ in range(_LENGTH):
            (stepped,) = executor.step([Lane(_HEAD, ids, state)])
            ids, _ = greediest(stepped.scores)
            assert isinstance(stepped.state, LaneState)
            state = stepped.state
        return rows * _LENGTH

    return work


def _tokens_per_s(work: Work, seconds: float) -> float:
    """By processor time, of as many repetitions as take about so long."""
    tokens, began = 0, time.process_time()
    while (spent := time.process_time() - began) < seconds or not tokens:
        tokens += work()
    return tokens / spent


@torch.no_grad()
def measure(contestants: Sequence[Contestant], rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Median tokens a second of processor time, by contestant and work."""
    found: dict[str, dict[str, list[float]]] = {own.name: defaultdict(list) for own in contestants}
    for own in contestants:
        for work in own.works.values():
            work()
    for _ in range(rounds):
        for name in contestants[0].works:
            for own in contestants:
                found[own.name][name].append(_tokens_per_s(own.works[name], seconds))
    return {name: {work: median(paces) for work, paces in by_work.items()} for name, by_work in found.items()}


def _report(contestants: Sequence[Contestant], arguments: argparse.Namespace) -> dict[str, Any]:
    machine = describe_machine()
    paces = measure(contestants, arguments.rounds, arguments.seconds)
    machine["load_average_after"] = os.getloadavg()[0]
    rows = [
        {
            "name": own.name,
            **own.parameters(),
            **own.memory(),
            "tokens_per_s": {k: round(v) for k, v in paces[own.name].items()},
        }
        for own in contestants
    ]
    return {"machine": machine, "rounds": arguments.rounds, "seconds": arguments.seconds, "backbones": rows}


def main() -> None:
    """Measure, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each work in each round")
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    contestants = [Contestant.of(path) for path in arguments.recipes]
    report = _report(contestants, arguments)
    works = list(contestants[0].works)
    names = ("parameters", "without_embedding", "state_bytes", "source_token_bytes")
    print(machine_line(report["machine"]))
    print(f"tokens a second of the processor, medians of {arguments.rounds} rounds")
    lines = [[own["name"], *(f"{own['tokens_per_s'][work]:,}" for work in works)] for own in report["backbones"]]
    print(table(["", *works], lines))
    print(table(["", *names], [[own["name"], *(f"{own[name]:,}" for name in names)] for own in report["backbones"]]))
    print(json.dumps(report))


if __name__ == "__main__":
    main()

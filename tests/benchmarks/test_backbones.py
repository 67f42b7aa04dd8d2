"""The benchmark of backbones counts the tokens and bytes that there are."""

from functools import partial
from pathlib import Path

import pytest
import torch
from benchmarks.backbones import Contestant, measure

RECIPE = """
name = "tiny"
vocabulary_size = 40
[backbone]
embedding_size = 8
hidden_size = 6
num_layers = 2
{more}
[heads.translation]
kind = "seq2seq"
hidden_size = 5
[[data]]
set = "pairs.tsv"
head = "translation"
[training]
steps = 1
"""
TRANSFORMER = 'encoder = "transformer"\nencoder_layers = 1\nencoder_heads = 2\nfeedforward_size = 8'


@pytest.fixture(params=['cell = "lstm"', 'cell = "sru"', TRANSFORMER], ids=["lstm", "sru", "transformer"])
def contestant(request: pytest.FixtureRequest, tmp_path: Path) -> Contestant:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE.format(more=request.param), encoding="utf-8")
    return Contestant.of(path)


def test_each_work_tells_its_tokens(contestant: Contestant) -> None:
    with torch.no_grad():
        tokens = {name: work() for name, work in contestant.works.items()}
    assert tokens["training"] == 64 * (16 + 15)  # the first symbol of a target is not written
    assert tokens["writing 1"] == 16
    assert tokens["writing 64"] == tokens["reading 64"] == tokens["reading 64, bfloat16"] == 1024
    assert tokens["reading 4, 512 long"] == tokens["training, one stack, 512 long"] == 2048


def test_memory_is_that_of_the_state_and_of_the_source(contestant: Contestant) -> None:
    tensors = 1 if contestant.model.backbone.config.cell == "sru" else 2
    state, by_token = 4 * tensors * (2 * 6 + 5), 4 * 5
    assert contestant.memory() == {"state_bytes": state, "source_token_bytes": by_token}


def _note(seen: set[str], name: str, gradient: torch.Tensor) -> None:
    if gradient.any():
        seen.add(name)


def test_training_trains_all_of_the_model(contestant: Contestant) -> None:
    model = contestant.model
    seen: set[str] = set()
    for name, parameter in model.named_parameters():
        parameter.register_hook(partial(_note, seen, name))  # type: ignore[no-untyped-call]
    contestant.works["training"]()
    assert seen == {name for name, _ in model.named_parameters()}


def test_every_work_of_everyone_is_measured(contestant: Contestant) -> None:
    (found,) = measure([contestant], rounds=1, seconds=0).values()
    assert found.keys() == contestant.works.keys()
    assert all(pace > 0 for pace in found.values())

"""Greedy samplers side by side write what each would write by itself."""

import random

import pytest
import torch

from rondo_models.decoding.columns import SamplerColumns
from rondo_models.decoding.lanes import LaneState, Stepped
from rondo_models.decoding.parameters import SamplingParameters
from rondo_models.decoding.sampling import Sampler
from rondo_models.decoding.scores import TableScores
from rondo_models.decoding.search import advance_samplers
from rondo_models.state import RecurrentState

END = 3
SIZE = 12


def _greedy(max_tokens: int) -> Sampler:
    return Sampler(SamplingParameters(temperature=0, max_tokens=max_tokens), [], END)


def _step(count: int, generator: torch.Generator, end_bias: float) -> Stepped:
    scores = torch.randn(count, SIZE, generator=generator)
    scores[:, END] += end_bias
    return Stepped(TableScores(scores.log_softmax(dim=-1)), LaneState(RecurrentState((torch.zeros(1, count, 1),))))


@pytest.mark.parametrize("end_bias", [-100.0, -1.5, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_what_each_would_write_by_itself(seed: int, end_bias: float) -> None:
    """Longer than what is kept in columns, with others that begin and some that are looked at on the way."""
    generator, rng = torch.Generator().manual_seed(seed), random.Random(seed)
    lengths = [rng.choice([1, 2, 63, 64, 65, 150]) for _ in range(9)]
    running, alone = [list(map(_greedy, lengths)) for _ in range(2)]
    begun, begun_alone = list(running), list(alone)
    columns = SamplerColumns(running)
    for number in range(400):
        stepped = _step(len(running), generator, end_bias)
        advanced, expected = columns.advance(stepped), advance_samplers(stepped, alone)
        assert advanced.ended == expected.ended
        assert advanced.written is not None
        assert expected.written is not None
        assert torch.equal(advanced.ids, expected.ids)
        assert torch.equal(advanced.written, expected.written)
        assert (advanced.parents is None) == (expected.parents is None)
        if advanced.parents is not None and expected.parents is not None:
            assert torch.equal(advanced.parents, expected.parents)
        for place in reversed(advanced.ended):
            ended, other_ended = running.pop(place), alone.pop(place)
            assert (ended.ids, ended.finish_reason) == (other_ended.ids, other_ended.finish_reason)
        if number % 50 == 17:
            columns.settle()
            assert [sampler.ids for sampler in running] == [sampler.ids for sampler in alone]
        if number < 200 and (rng.random() < 0.3 or not running):
            new = [rng.choice([1, 30, 90]) for _ in range(rng.randrange(1, 8))]
            more, more_alone = list(map(_greedy, new)), list(map(_greedy, new))
            columns.add(more)
            running += more
            alone += more_alone
            begun += more
            begun_alone += more_alone
        if not running:
            break
    assert not running
    assert len(begun) > 20
    assert [sampler.ids for sampler in begun] == [sampler.ids for sampler in begun_alone]
    assert {sampler.finish_reason for sampler in begun} >= {"length"}


def test_who_is_written_side_by_side() -> None:
    suited = SamplingParameters(temperature=0), SamplingParameters(temperature=0, max_tokens=3)
    others = SamplingParameters(), SamplingParameters(temperature=0, num_logprobs=0)
    penalised = SamplingParameters(temperature=0, presence_penalty=0.1)
    assert [SamplerColumns.suits(Sampler(own, [], END)) for own in (*suited, *others, penalised)] == [
        *(True, True),
        *(False, False, False),
    ]

"""Requests are written in lanes that do not grow without bound, and get the answers that they would have had alone."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from torch import Tensor

from rondo_models.decoding.lanes import Lane, Stepped
from rondo_models.decoding.parameters import BeamParameters, SamplingParameters
from rondo_models.decoding.sampling import Sampler
from rondo_models.model import RondoModel
from rondo_models.native.executor import fast_precision_of
from rondo_models.state import RecurrentState, numbers_tensor
from rondo_services.engine.core import EngineCore
from rondo_services.engine.engine import Engine
from rondo_services.engine.observer import EngineObserver
from rondo_services.engine.requests import Generate, Generated, Search, Ticket, Work
from rondo_services.engine.running_lane import RunningLane
from rondo_services.engine.running_lanes import RunningLanes
from rondo_services.engine.scheduler import Limits

END = 3
FORBIDDEN = (0, 1, 2)
MANY = Limits(max_rows=1200, max_waiting=2000)


@dataclass(frozen=True)
class Rows:
    """A state that is the rows' names."""

    names: Sequence[str]
    top: RecurrentState | None = None

    @property
    def lower(self) -> RecurrentState:
        raise AssertionError

    @property
    def num_rows(self) -> int:
        return len(self.names)

    def select(self, rows: Tensor) -> "Rows":
        return Rows([self.names[row] for row in rows.tolist()])

    def joined(self, other: "Rows") -> "Rows":
        return Rows([*self.names, *other.names])


def _put(lanes: RunningLanes, head: str, name: str, count: int) -> RunningLane:
    """So many requests of one row each."""
    lane = lanes.with_room(head, count)
    work = Generate(head, (2,), SamplingParameters())
    tickets = [Ticket(work) for _ in range(count)]
    samplers = [Sampler(SamplingParameters(), [], END) for _ in range(count)]
    lane.join(tickets, samplers, numbers_tensor([4] * count), Rows([name] * count))
    return lane


def _sizes(lanes: RunningLanes) -> list[tuple[str, int]]:
    return [(lane.head, lane.num_rows) for lane in lanes]


def test_where_few_may_run_they_stay_together() -> None:
    lanes = RunningLanes(512)
    for count in (200, 200, 112):
        _put(lanes, "a", "x", count)
    _put(lanes, "b", "x", 1)
    assert _sizes(lanes) == [("a", 512), ("b", 1)]


def test_where_many_may_run_lanes_are_bounded() -> None:
    lanes = RunningLanes(513)
    for _ in range(40):
        _put(lanes, "a", "x", 25)
    assert sum(lane.num_rows for lane in lanes) == 1000
    assert max(lane.num_rows for lane in lanes) <= 256
    assert len(list(lanes)) == 4


def test_those_that_begin_at_once_are_not_parted() -> None:
    lanes = RunningLanes(1000)
    _put(lanes, "a", "x", 10)
    _put(lanes, "a", "y", 600)
    _put(lanes, "a", "z", 10)
    assert _sizes(lanes) == [("a", 20), ("a", 600)]


def test_lanes_that_have_become_small_are_put_together() -> None:
    lanes = RunningLanes(1000)
    first, other, second = (_put(lanes, *own) for own in (("a", "x", 250), ("b", "y", 7), ("a", "z", 50)))
    lanes.tidy()
    assert _sizes(lanes) == [("a", 250), ("b", 7), ("a", 50)]
    first.take([place < 150 for place in range(250)])
    lanes.tidy()
    assert list(lanes) == [first, other]
    assert first.state == Rows(["x"] * 100 + ["z"] * 50)
    assert len(first.tickets) == len(first.searches) == len(first.ids) == 150
    assert second not in lanes


def test_empty_lanes_are_forgotten() -> None:
    lanes = RunningLanes(1000)
    lane = _put(lanes, "a", "x", 2)
    lane.take([True, True])
    lanes.tidy()
    assert list(lanes) == []


def test_small_lanes_of_all_heads_are_stepped_together() -> None:
    lanes = RunningLanes(1000)
    for head, count in (("a", 250), ("b", 6), ("c", 1), ("a", 200), ("b", 50)):
        _put(lanes, head, "x", count)
    assert [[lane.num_rows for lane in group] for group in lanes.together()] == [[250], [56, 1], [200]]
    assert [lane for group in lanes.together() for lane in group] == list(lanes)


def _works(count: int) -> list[Work]:
    rng = random.Random(3)
    works: list[Work] = []
    for number in range(count):
        ids = tuple(rng.randrange(4, 30) for _ in range(rng.randrange(1, 6)))
        if number % 4:
            parameters = SamplingParameters(max_tokens=rng.randrange(4, 12), seed=number, temperature=number % 3)
            works.append(Generate("generation", (2, *ids), parameters))
        else:
            works.append(Search("translation", (*ids, END), 2, BeamParameters(beam_size=1, max_tokens=8)))
    return works


@pytest.mark.parametrize("precision", ["float32", "fast"])
def test_very_many_get_the_answers_that_they_would_get_among_few(
    tiny_model: RondoModel, make_engine: Callable[..., Engine], precision: str
) -> None:
    own = fast_precision_of(tiny_model) if precision == "fast" else precision
    works = _works(900)
    many = [t.future.result(timeout=60) for t in make_engine(limits=MANY, precision=own).submit_all(works)]
    engine = make_engine(limits=Limits(max_rows=32, max_waiting=2000), precision=own)
    few = [ticket.future.result(timeout=60) for ticket in engine.submit_all(works)]
    for one, other in zip(many, few, strict=True):
        if isinstance(one, Generated) and isinstance(other, Generated):
            assert (one.ids, one.finish_reason) == (other.ids, other.finish_reason)
        else:
            assert [h.ids for h in one] == [h.ids for h in other]  # type: ignore[union-attr]


def test_the_engine_keeps_its_lanes_bounded_while_they_grow_and_shrink(tiny_model: RondoModel) -> None:
    core = EngineCore(tiny_model, end_id=END, forbidden=FORBIDDEN, limits=MANY, observer=EngineObserver())
    tickets = []
    sizes: list[int] = []
    step = core.runner.executor.step

    def watched(lanes: Sequence[Lane]) -> list[Stepped]:
        sizes.append(sum(len(lane.ids) for lane in lanes))
        return step(lanes)

    core.runner.executor.step = watched  # type: ignore[method-assign]
    endless = SamplingParameters(max_tokens=100_000, temperature=0, logit_bias=((END, -100.0),))
    for _ in range(20):
        added = [Ticket(Generate("generation", (2, 5), endless)) for _ in range(30)]
        core.add(added)
        tickets += added
        core.tick()
    while len(core.scheduler) or core.runner.num_kept_rows:
        core.tick()
    assert core.runner.num_rows == 600
    assert max(sizes) <= 256
    for ticket in tickets[5:]:
        ticket.cancel()
    core.tick()
    core.tick()
    assert sizes[-1] == core.runner.num_rows == 5

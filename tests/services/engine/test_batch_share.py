"""What batch requests get while interactive ones are about, and that nobody waits for ever."""

import random
from collections.abc import Callable
from functools import partial

import pytest
import torch

from rondo_models.decoding.parameters import BeamParameters, Hypothesis, SamplingParameters
from rondo_models.model import RondoModel
from rondo_services.engine.batch_share import BatchShare
from rondo_services.engine.core import EngineCore
from rondo_services.engine.observer import EngineObserver
from rondo_services.engine.requests import Classify, Generate, Generated, Priority, Search, Ticket, Work
from rondo_services.engine.running_lane import RunningLane
from rondo_services.engine.scheduler import Limits
from rondo_services.errors import EngineFailed

END = 3
FORBIDDEN = (0, 1, 2)
LIMITS = Limits(max_rows=64, batch_rows=4, batch_tokens=20, batch_returns_s=1.0)

Make = Callable[..., EngineCore]


@pytest.fixture
def now() -> list[float]:
    """Seconds of the engine's clock."""
    return [100.0]


@pytest.fixture
def make(tiny_model: RondoModel, now: list[float]) -> Make:
    """Engine cores at that clock."""

    def core(limits: Limits = LIMITS) -> EngineCore:
        return EngineCore(
            tiny_model,
            end_id=END,
            forbidden=FORBIDDEN,
            limits=limits,
            observer=EngineObserver(),
            precision="float32",
            clock=lambda: now[0],
        )

    return core


def _endless(max_tokens: int = 100_000) -> Generate:
    return Generate(
        "generation", (2, 5), SamplingParameters(max_tokens=max_tokens, temperature=0, logit_bias=((END, -100.0),))
    )


def _search(seed: int = 0, beam_size: int = 2) -> Search:
    ids = tuple(random.Random(seed).randrange(4, 30) for _ in range(5))
    return Search("translation", (*ids, END), 2, BeamParameters(beam_size=beam_size, max_tokens=12))


def _add(core: EngineCore, works: list[Work], priority: Priority = "batch") -> list[Ticket]:
    tickets = [Ticket(work, priority=priority) for work in works]
    core.add(tickets)
    return tickets


def _tick(core: EngineCore, times: int = 1) -> None:
    with torch.inference_mode():
        for _ in range(times):
            core.tick()


def _until(core: EngineCore, ticket: Ticket, most: int = 400) -> int:
    """Ticks until it has ended."""
    for number in range(most):
        if ticket.future.done():
            return number
        _tick(core)
    raise AssertionError("it did not end")


def test_a_share_is_small_beside_interactive_requests_and_larger_for_a_while_after_them() -> None:
    share = BatchShare(LIMITS)
    share.look(5.0, interactive=False)
    assert (share.state, share.rows, share.tokens) == ("all", 64, None)
    share.look(6.0, interactive=True)
    assert (share.state, share.rows, share.tokens) == ("beside", 4, 20)
    share.look(6.9, interactive=False)
    assert (share.state, share.tokens) == ("between", 20)
    assert 4 < share.rows < 64
    share.look(7.0, interactive=False)
    assert (share.state, share.rows) == ("all", 64)


def test_they_are_read_ahead_between_interactive_requests_and_beside_them_only_for_want_of_rows() -> None:
    share = BatchShare(LIMITS)
    share.look(0.0, interactive=True)
    assert share.room(4, is_reading=False).is_open
    assert not share.room(5, is_reading=False).is_open
    assert not share.room(0, is_reading=True).is_open
    share.look(0.1, interactive=False)
    room = share.room(5, is_reading=False)
    assert room.is_open
    assert room.most_rows > share.rows
    assert not share.room(room.most_rows, is_reading=False).is_open


def test_of_few_rows_some_are_left_to_interactive_requests() -> None:
    share = BatchShare(Limits(max_rows=16, batch_rows=32))
    share.look(0.0, interactive=True)
    assert share.rows == 4


def test_batch_requests_have_all_rows_while_nobody_else_asks(make: Make) -> None:
    core = make()
    _add(core, [_endless() for _ in range(80)])
    _tick(core, 3)
    assert core.runner.num_rows == 64


def test_they_pause_for_an_interactive_request_which_starts_at_once(make: Make, now: list[float]) -> None:
    core = make()
    batch = _add(core, [_endless() for _ in range(80)])
    _tick(core, 3)
    (single,) = _add(core, [_endless(5)], "interactive")
    _tick(core)
    assert core.runner.num_rows == LIMITS.batch_rows + 1
    assert _until(core, single) <= 6
    _tick(core)
    assert LIMITS.batch_rows < core.runner.num_rows < 64
    now[0] += LIMITS.batch_returns_s
    _tick(core, 2)
    assert core.runner.num_rows == 64
    assert not any(ticket.future.done() for ticket in batch)


def test_the_oldest_go_on_and_the_others_after_them(make: Make) -> None:
    """Among interactive requests that never end, so that the share stays small."""
    core = make()
    _add(core, [_endless()], "interactive")
    batch = _add(core, [_endless(6) for _ in range(30)])
    ended: list[int] = []
    for number, ticket in enumerate(batch):
        ticket.future.add_done_callback(partial(lambda number, _: ended.append(number), number))
    _until(core, batch[-1])
    assert ended == sorted(ended)
    assert {len(_ids(ticket)[0]) for ticket in batch} == {6}


def test_a_batch_request_wider_than_the_share_is_written_alone(make: Make) -> None:
    core = make()
    _add(core, [_endless()], "interactive")
    wide = _add(core, [_search(beam_size=16), _search(1, beam_size=16)])
    for ticket in wide:
        _until(core, ticket)
        assert ticket.future.result()


def test_batch_texts_do_not_starve_among_interactive_ones_that_keep_coming(make: Make) -> None:
    core = make()
    batch = _add(core, [Classify("sentiment", (4,) * 30) for _ in range(5)])
    for _ in range(40):
        _add(core, [Classify("sentiment", (4,) * 30)], "interactive")
        _tick(core)
    assert all(ticket.future.done() for ticket in batch)


def test_a_cut_has_few_tokens_of_batch_requests_while_others_are_about(make: Make) -> None:
    core = make()
    batch = _add(core, [Classify("sentiment", (4,) * 8) for _ in range(10)])
    single = _add(core, [Classify("sentiment", (4,) * 8)], "interactive")
    _tick(core)
    assert single[0].future.done()
    assert sum(ticket.future.done() for ticket in batch) == 2


def test_long_batch_texts_are_read_a_few_at_a_time_while_others_are_about(make: Make) -> None:
    core = make(Limits(chunk_tokens=10, tokens_per_cut=1000, batch_tokens=20))
    long: list[Work] = [Classify("sentiment", (4,) * 50) for _ in range(6)]
    batch = _add(core, long)
    _tick(core, 2)  # all have been begun
    _add(core, [_endless()], "interactive")
    _tick(core, 4)
    assert [ticket.future.done() for ticket in batch] == [True, True, False, False, False, False]
    _tick(core, 20)
    assert all(ticket.future.done() for ticket in batch)


def test_pausing_changes_no_answer(make: Make, now: list[float]) -> None:
    works: list[Work] = [_search(seed, 1 + seed % 3) for seed in range(40)]
    works += [Generate("generation", (2, 4 + n), SamplingParameters(max_tokens=15, seed=n)) for n in range(20)]
    alone = make()
    expected = _add(alone, works)
    for ticket in expected:
        _until(alone, ticket)
    core = make()
    tickets = _add(core, works)
    for number in range(400):
        if number % 7 == 3:
            _add(core, [_search(1000 + number)], "interactive")
        now[0] += 0.4 * (number % 3)
        _tick(core)
        if core.is_idle:
            break
    for ticket, other in zip(tickets, expected, strict=True):
        assert _ids(ticket) == _ids(other)


def _ids(ticket: Ticket) -> list[tuple[int, ...]]:
    result = ticket.future.result(timeout=0)
    if isinstance(result, Generated):
        return [tuple(result.ids)]
    assert isinstance(result, list)
    return [tuple(own.ids) for own in result if isinstance(own, Hypothesis)]


def test_a_paused_request_that_is_cancelled_leaves_the_others_alone(make: Make, now: list[float]) -> None:
    core = make()
    batch = _add(core, [_endless(40) for _ in range(20)])
    _tick(core, 2)
    (single,) = _add(core, [_endless(3)], "interactive")
    _until(core, single)
    for ticket in batch[::3]:
        ticket.cancel()
    _tick(core)
    assert all(ticket.future.done() for ticket in batch[::3])
    now[0] += 10
    for ticket in set(batch) - set(batch[::3]):
        _until(core, ticket)
        assert len(_ids(ticket)[0]) == 40
    assert core.is_idle


def test_requests_that_can_not_pause_end(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were taken out of their lane, but could not join another, once ended never: nobody knew of them."""
    core = make()
    batch = _add(core, [_endless() for _ in range(8)])
    _tick(core, 3)

    def join(*args: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(RunningLane, "join", join)
    (single,) = _add(core, [_endless(5)], "interactive")
    _tick(core)
    monkeypatch.undo()
    assert _until(core, single) < 400
    for ticket in batch:
        _until(core, ticket)
        with pytest.raises(EngineFailed, match="no room"):
            ticket.future.result()

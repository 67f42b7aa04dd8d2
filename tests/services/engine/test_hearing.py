"""Who was held up does not tell that others were silent."""

import pytest

from rondo_services.engine import hearing
from rondo_services.engine.hearing import Hearing


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    own = _Clock()
    monkeypatch.setattr(hearing, "time", own)
    return own


def _looks(hearing: Hearing, clock: _Clock, *intervals: float) -> float:
    for interval in intervals:
        clock.now += interval
        silent_s = hearing.look()
    return silent_s


def test_silence_adds_up_from_look_to_look_until_a_sign(clock: _Clock) -> None:
    hearing = Hearing(10.0)
    assert _looks(hearing, clock, 1.0, 2.0, 0.5) == 3.5
    clock.now += 1.0
    hearing.heard()
    assert _looks(hearing, clock, 0.25) == 0.25


def test_a_minute_without_a_look_is_no_hanging_by_itself(clock: _Clock) -> None:
    hearing = Hearing(10.0)
    assert _looks(hearing, clock, 1.0, 60.0) == 6.0
    assert _looks(hearing, clock, *[1.0] * 30) == 36.0


def test_looks_that_are_far_apart_count_whole_if_that_is_less_than_half_of_hanging(clock: _Clock) -> None:
    assert _looks(Hearing(30.0), clock, 11.0, 11.0, 11.0) == 33.0  # where a thousand engines are asked

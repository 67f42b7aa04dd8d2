"""How much is read between two steps."""

import pytest

from rondo_services.engine.pace import Pace


def _settled(step_s: float, seconds_a_token: float) -> int:
    pace = Pace(2.0, 8, 512)
    for _ in range(200):
        pace.stepped(step_s)
        pace.read(pace.tokens, pace.tokens * seconds_a_token)
    return pace.tokens


@pytest.mark.parametrize(("seconds_a_token", "tokens"), [(1e-4, 20), (1e-5, 200), (1e-6, 512), (1e-2, 8)])
def test_it_settles_where_reading_takes_as_long_as_it_may(seconds_a_token: float, tokens: int) -> None:
    assert _settled(1e-3, seconds_a_token) == pytest.approx(tokens, abs=1)


def test_nothing_is_learnt_from_less_than_was_allowed() -> None:
    pace = Pace(2.0, 8, 512)
    pace.stepped(1.0)
    pace.read(3, 1e-3)
    assert pace.tokens == 8


def test_too_slow_is_too_slow_even_of_less_than_was_allowed() -> None:
    pace = Pace(2.0, 8, 512)
    pace.stepped(1.0)
    pace.read(8, 1.0)
    assert pace.tokens == 16
    pace.read(10, 4.0)
    assert pace.tokens == 8


def test_before_the_first_step_nothing_changes() -> None:
    pace = Pace(2.0, 8, 512)
    pace.read(8, 1e-6)
    assert pace.tokens == 8

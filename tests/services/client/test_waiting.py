"""When somebody who waits for a job asks again, by a clock of our own."""

import pytest

from rondo_services.client.errors import ConnectionFailed, ServerError
from rondo_services.client.waiting import Patience
from rondo_services.errors import LimitReached, NotAllowed

AWAY = ConnectionFailed("away")


class Clock:
    """Seconds, as they are set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_server_that_is_away_is_asked_ever_less_often_and_given_up_after_ten_minutes(clock: Clock) -> None:
    patience, began, pauses = Patience(clock), clock.now, []
    while (pause_s := patience.pause_s(AWAY)) is not None:
        pauses.append(pause_s)
        clock.now += pause_s
    assert pauses[:6] == [1, 2, 4, 8, 16, 30]
    assert set(pauses[6:]) == {30}
    assert 600 <= clock.now - began < 630


def test_streams_that_break_off_at_once_are_few_a_minute_and_never_given_up(clock: Clock) -> None:
    patience, began, num_asked = Patience(clock), clock.now, 0
    while clock.now < began + 86_400:
        patience.heard()
        pause_s = patience.pause_s(AWAY)
        assert pause_s is not None
        clock.now += pause_s
        num_asked += 1
    assert num_asked < 2.1 * 86_400 / 60


def test_after_a_calm_the_next_failure_is_the_first_again(clock: Clock) -> None:
    patience = Patience(clock)
    assert [patience.pause_s(AWAY) for _ in range(3)] == [1, 2, 4]
    clock.now += 120
    assert [patience.pause_s(AWAY) for _ in range(2)] == [1, 2]


def test_a_key_that_may_ask_for_no_more_is_waited_for_as_long_as_it_takes(clock: Clock) -> None:
    patience = Patience(clock)
    for _ in range(3):
        pause_s = patience.pause_s(LimitReached("why", retry_after_s=40_000))
        assert pause_s == 40_000
        clock.now += pause_s
    assert patience.pause_s(AWAY) is not None  # the hours that were waited are none of silence


def test_a_refusal_is_not_asked_for_again(clock: Clock) -> None:
    patience = Patience(clock)
    assert patience.pause_s(NotAllowed("no")) is None
    assert patience.pause_s(ServerError("no", status=400, body="")) is None
    assert patience.pause_s(ServerError("no", status=502, body="")) == 1

"""The token bucket."""

from hypothesis import given
from hypothesis import strategies as st

from rondo_services.access.rate import TokenBucket


def test_it_is_full_at_first_and_then_brings_tokens_evenly() -> None:
    bucket = TokenBucket(3, 100.0)
    assert [bucket.take(100.0) for _ in range(4)] == [0, 0, 0, 20]
    assert bucket.take(115.0) == 5
    assert bucket.take(120.0) == 0
    assert bucket.take(120.0) == 20


def test_it_never_holds_more_than_a_minute_brings() -> None:
    bucket = TokenBucket(2, 0.0)
    assert bucket.left(1e9) == 2
    assert bucket.full_in_s(1e9) == 0


def test_it_says_what_is_left_and_when_it_is_full() -> None:
    bucket = TokenBucket(60, 0.0)
    for _ in range(10):
        bucket.take(0.0)
    assert (bucket.left(0.0), bucket.full_in_s(0.0)) == (50, 10)
    assert (bucket.left(2.5), bucket.full_in_s(2.5)) == (52, 8)


def test_a_clock_that_goes_back_neither_brings_nor_takes() -> None:
    bucket = TokenBucket(60, 1000.0)
    bucket.take(1000.0)
    assert bucket.left(10.0) == 59
    assert bucket.left(11.0) == 60


@given(st.integers(1, 100), st.lists(st.floats(0, 30), max_size=300))
def test_in_a_minute_no_more_than_twice_as_many_as_it_is_for(per_minute: int, gaps: list[float]) -> None:
    bucket, now, taken = TokenBucket(per_minute, 0.0), 0.0, []
    for gap in gaps:
        now += gap
        if not bucket.take(now):
            taken.append(now)
    for begin in taken:
        assert sum(begin <= moment < begin + 60 for moment in taken) <= 2 * per_minute

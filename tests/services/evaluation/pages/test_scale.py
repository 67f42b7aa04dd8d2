import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_services.evaluation.pages.scale import scale_over


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.booleans(), st.integers(2, 8))
def test_an_axis_holds_its_values_between_round_ticks(values: list[float], from_zero: bool, most_steps: int) -> None:
    scale = scale_over(values, from_zero=from_zero, most_steps=most_steps)
    slack = 1e-6 * max(1.0, *map(abs, values))
    assert scale.low <= min(values) + slack
    assert scale.high >= max(values) - slack
    assert 2 <= len(scale.ticks) <= most_steps + 3
    assert all(0 <= scale.at(value) <= 100 for value in values)
    if from_zero:
        assert scale.low <= 0 <= scale.high


def test_ticks_are_round() -> None:
    scale = scale_over([40.6, 62.9])
    assert scale.ticks == (40, 45, 50, 55, 60, 65)
    assert scale.decimals == 0
    assert scale.at(52.5) == 50.0
    assert scale_over([0.21, 0.29]).ticks == pytest.approx((0.2, 0.22, 0.24, 0.26, 0.28, 0.3))
    assert scale_over([0.21, 0.29]).decimals == 2


@pytest.mark.parametrize("values", [[], [5.0], [0.0], [math.inf], [math.nan, 3.0], [-2.0, -2.0]])
def test_few_or_no_values_have_an_axis_too(values: list[float]) -> None:
    scale = scale_over(values, from_zero=True)
    assert scale.low < scale.high


@pytest.mark.parametrize(("value", "ends"), [(100.0, (95, 100)), (0.0, (0, 0.5)), (50.0, (47, 53))])
def test_an_axis_around_one_value_ends_where_such_values_do(value: float, ends: tuple[float, float]) -> None:
    """An accuracy of 100 % had an axis to 106."""
    scale = scale_over([value, value], ends=(0.0, 100.0))
    assert (scale.low, scale.high) == pytest.approx(ends)


def test_what_is_outside_is_put_at_the_end() -> None:
    scale = scale_over([0, 10])
    assert (scale.at(-1), scale.at(11)) == (0, 100)

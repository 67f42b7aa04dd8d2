"""Tables and bounds of the reports."""

import pytest
from benchmarks.reporting import Bound, bounds_table, table


@pytest.mark.parametrize(
    ("bound", "kept"),
    [
        (Bound("speed", 1.5, least=1.5), True),
        (Bound("speed", 1.4, least=1.5), False),
        (Bound("memory", 0.4, most=0.4), True),
        (Bound("memory", 0.5, most=0.4), False),
    ],
)
def test_a_bound_is_kept_up_to_its_limit(bound: Bound, kept: bool) -> None:
    assert bound.kept is kept
    assert bound.plain()["kept"] is kept


def test_a_bound_says_only_the_side_that_it_has() -> None:
    assert Bound("speed", 2.0, least=1.5).plain() == {"name": "speed", "measured": 2.0, "least": 1.5, "kept": True}


def test_the_table_of_bounds_says_what_is_to_be() -> None:
    lines = bounds_table([Bound("speed", 2.0, least=1.5).plain(), Bound("memory", 0.5, most=0.4).plain()]).splitlines()
    assert lines[2].split() == ["speed", "2", "at", "least", "1.5", "yes"]
    assert lines[3].split() == ["memory", "0.5", "at", "most", "0.4", "no"]


def test_columns_of_a_table_are_aligned() -> None:
    assert table(["a", "b"], [["long", "1"]]) == "a     b\n----  -\nlong  1"

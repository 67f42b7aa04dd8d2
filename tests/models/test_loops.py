"""What counts as a loop, and what does not."""

import pytest

from rondo_models.decoding.loops import looping_ngram, most_repeats, num_copies


@pytest.mark.parametrize(
    ("ids", "most", "n"),
    [
        ((), 1, 0),
        ((4,), 1, 0),
        ((5,) * 15, 3, 0),  # laughter, or the zeros of a number
        ((5,) * 16, 3, 1),
        ((5,) * 16, 16, 0),
        ((5,) * 17, 16, 1),
        ((4, 5) * 7, 3, 0),
        ((4, 5) * 8, 3, 2),
        (tuple(range(4, 12)) * 3, 3, 0),
        (tuple(range(4, 12)) * 4, 3, 8),
        (tuple(range(4, 13)) * 9, 3, 0),  # longer than is looked for
        ((*(4, 5) * 8, 6), 3, 0),  # it has gone on
        ((7, *(4, 5, 6) * 6), 3, 3),
    ],
)
def test_only_long_stretches_that_come_too_often_are_loops(ids: tuple[int, ...], most: int, n: int) -> None:
    assert looping_ngram(ids, most) == n


def test_copies_are_counted_from_the_end() -> None:
    assert num_copies((4, 5, 6, 5, 6), 2) == 2
    assert num_copies((5, 6, 7), 2) == 1
    assert num_copies((6, 5, 6, 5, 6), 2) == 2


@pytest.mark.parametrize(
    ("ids", "most"), [((), 0), ((4,), 1), ((4, 5, 6), 1), ((4, 4, 4, 5), 3), ((9, 4, 5, 4, 5, 4, 5, 4), 3)]
)
def test_a_source_tells_how_often_it_repeats(ids: tuple[int, ...], most: int) -> None:
    assert most_repeats(ids) == most

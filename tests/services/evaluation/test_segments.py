import numpy
import pytest

from rondo_services.evaluation.segments import Segments


@pytest.mark.parametrize("num_rows", [0, 1, 1023, 1024, 1025, 3000])
@pytest.mark.parametrize("most", [1, 7, 8192])
def test_rows_come_back_as_they_were_added(num_rows: int, most: int) -> None:
    with Segments(2) as segments:
        for i in range(num_rows):
            segments.add(i % 5, i / 7, [i, -i])
        assert len(segments) == num_rows
        blocks = list(segments.blocks(most))
    assert all(len(block.cells) <= most for block in blocks)
    cells = [int(cell) for block in blocks for cell in block.cells]
    measures = [float(value) for block in blocks for value in block.measures]
    statistics = [tuple(row) for block in blocks for row in block.statistics.tolist()]
    assert cells == [i % 5 for i in range(num_rows)]
    assert measures == [i / 7 for i in range(num_rows)]
    assert statistics == [(i, -i) for i in range(num_rows)]


def test_rows_may_be_added_after_others_were_read() -> None:
    with Segments(1) as segments:
        for i in range(3):
            segments.add(0, 0.0, [i])
            assert numpy.concatenate([b.statistics[:, 0] for b in segments.blocks()]).tolist() == list(range(i + 1))


def test_only_a_block_of_rows_is_in_memory() -> None:
    with Segments(1) as segments:
        most = 0
        for i in range(5000):
            segments.add(0, 0.0, [i])
            most = max(most, segments.num_in_memory)
        assert most <= 1024
        assert len(segments) == 5000

import pytest

from rondo_services.evaluation.pages.figures import bars_of, calibration_of, confusion_of, heat_map_of
from rondo_services.evaluation.pages.reading import Attention, Bin, Histogram


def test_confusion_has_shares_of_rows_and_precisions_of_columns() -> None:
    confusion = confusion_of({"a": {"a": 3, "b": 1}, "b": {"b": 4}})
    assert confusion is not None
    first, second = confusion.rows
    assert [(cell.count, cell.share, cell.level, cell.is_right) for cell in first.cells] == [
        ("3", "75.0\u202f%", 8, True),
        ("1", "25.0\u202f%", 2, False),
    ]
    assert (first.recall, second.recall) == ("75.0\u202f%", "100.0\u202f%")
    assert confusion.precisions == ("100.0\u202f%", "80.0\u202f%")


def test_labels_that_were_only_answered_have_a_row_too() -> None:
    confusion = confusion_of({"a": {"b": 2}})
    assert confusion is not None
    assert confusion.labels == ("a", "b")
    assert confusion.rows[1].recall == confusion.precisions[0] == "–"


@pytest.mark.parametrize("counts", [None, {}, 5, []])
def test_without_counts_there_is_no_confusion(counts: object) -> None:
    assert confusion_of(counts) is None


def test_a_calibration_curve_goes_through_the_bins_that_hold_something() -> None:
    bins = [
        Bin(confidence=0.9, accuracy=0.9, num=300),
        Bin(confidence=0.6, accuracy=0.5, num=100),
        Bin(confidence=0.2, accuracy=0.0, num=0),
    ]
    calibration = calibration_of(bins, 2.5)
    assert calibration is not None
    assert calibration.error == 2.5
    assert [(point.x, point.y) for point in calibration.points] == [(60, 50), (90, 10)]
    assert calibration.points[0].radius < calibration.points[1].radius
    assert calibration_of([], 2.5) is None


def test_bars_are_as_wide_as_their_edges_are_apart() -> None:
    bars = bars_of(Histogram(measure="chrf", edges=[0, 10, 40], counts=[5, 20]))
    assert bars is not None
    assert [(column.at, column.width, column.height) for column in bars.columns] == [(0, 25, 25), (25, 75, 100)]
    assert bars.measure == "chrF"
    assert bars.most == "20"


@pytest.mark.parametrize(
    ("edges", "counts"),
    [([], []), ([0, 1], [0]), ([0, 1], [1, 2]), ([1, 1], [3]), ([1, 0], [3]), ([0, float("inf")], [3])],
)
def test_a_histogram_that_holds_nothing_is_none(edges: list[float], counts: list[int]) -> None:
    assert bars_of(Histogram(edges=edges, counts=counts)) is None


def test_a_heat_map_has_cells_for_what_can_be_seen() -> None:
    source, target = ["▁an", "extraordinarily-long"], ["▁eine"]
    heat_map = heat_map_of(Attention(source=source, target=target, weights=[[0.8, 0.001]]))
    assert heat_map is not None
    assert [(cell.x, cell.y, cell.opacity) for cell in heat_map.cells] == [(heat_map.left, heat_map.top, 1.0)]
    assert [token.shown for token in heat_map.source] == ["an", "extraordinarily…"]
    assert [token.text for token in heat_map.source] == source
    assert heat_map.strongest == (("▁eine", "▁an", "0.80"),)


def test_weights_that_do_not_fit_the_tokens_are_not_drawn() -> None:
    assert heat_map_of(Attention(source=["a"], target=["b"], weights=[[0.1, 0.9]])) is None
    assert heat_map_of(Attention(source=["a"], target=["b", "c"], weights=[[1.0]])) is None
    assert heat_map_of(Attention()) is None


def test_an_enormous_heat_map_is_not_drawn_but_still_told() -> None:
    weights = [[1.0] + [0.0] * 199] * 51
    heat_map = heat_map_of(Attention(source=["s"] * 200, target=["t"] * 51, weights=weights))
    assert heat_map is not None
    assert heat_map.is_too_large
    assert not heat_map.cells
    assert len(heat_map.strongest) == 51

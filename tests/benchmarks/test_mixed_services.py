"""What the benchmark of one engine against four makes of its rounds."""

from collections import defaultdict

from benchmarks.cells import Cell
from benchmarks.load import Latency, Measured
from benchmarks.mixed_services import Side, bounds_on


def _measured(speed: float) -> Measured:
    targets = [Latency(30, 2 * speed, 3 * speed, 2 * speed), Latency(10, speed, speed, speed)]
    return Measured(speed, 1.0, 2.0, 1.0, 40, 50, 1.0, 0.1, targets)


def test_a_side_is_summed_up_by_medians() -> None:
    cell = Cell([_measured(speed) for speed in (10.0, 30.0, 20.0)], [1.0] * 3, [0.1] * 3, defaultdict(float))
    cell.metrics["rondo_engine_seconds_total", "encode"] = 0.3
    side = Side([["sentiment", "generation"]], cell, [2.0, 3.0, 2.5], [500.0, 510.0, 505.0], [400.0, 410.0, 420.0])
    summary = side.summary()
    assert summary["requests_per_s"] == 20.0
    assert summary["proportional_mb"] == 410.0
    assert summary["encode_ms_per_request"] == 2.0
    assert summary["services"] == {
        "sentiment": {"share": 0.75, "p50_ms": 40.0, "p99_ms": 60.0},
        "generation": {"share": 0.25, "p50_ms": 20.0, "p99_ms": 20.0},
    }


def test_speed_has_a_least_and_memory_a_most() -> None:
    bounds = list(bounds_on({"requests_per_s": 1.6, "proportional_mb": 0.3, "resident_mb": 0.5}))
    assert [bound.kept for bound in bounds] == [True, True, False]

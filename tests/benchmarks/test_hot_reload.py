"""What the benchmark of exchanges makes of replies."""

from benchmarks.hot_reload import phase_of

NEVER = 0


def test_a_phase_has_the_replies_of_its_time() -> None:
    rows = [(second / 10, 0.001 * (second + 1), 200, "a@1" if second < 50 else "a@2") for second in range(100)]
    phase = phase_of([*rows, (4.05, 0.0, 503, "a@1"), (4.06, 0.0, NEVER, "gone"), (9.99, 0.0, 500, "")], 4.0, 6.0)
    assert (phase.seconds, phase.requests_per_s, phase.num_errors) == (2.0, 10.0, 2)
    assert phase.releases == {"a@1": 10, "a@2": 10}
    assert (phase.p50_ms, phase.p99_ms) == (51.0, 60.0)


def test_a_phase_without_replies_has_zeros() -> None:
    phase = phase_of([(1.0, 0.0, NEVER, "gone")], 0.0, 2.0)
    assert (phase.num_errors, phase.requests_per_s, phase.p99_ms) == (1, 0.0, 0.0)

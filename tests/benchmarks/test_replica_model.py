"""The model of replicas, where theory or reason says what must come of it."""

import math
from dataclasses import replace

import pytest
from benchmarks.replica_model import Cluster, Costs, Engine, Machine, Routing, bursts, by_number, poisson

SECOND_EACH = tuple(0.01 * number for number in range(1025))
COSTS = Costs(SECOND_EACH, (0.0,) * 1025, (0,), 1, 0.0, 0.0)
"""A request takes 10 ms, one after the other."""

NO_LIMIT = math.inf


def _p50_ms(share: float, routing: Routing, stale_s: float | None, num_engines: int = 50) -> float:
    cluster = Cluster(COSTS, num_engines, Machine(NO_LIMIT), routing=routing, stale_s=stale_s, seed=1)
    cluster.offer(poisson(share * 100 * num_engines, cluster.random), NO_LIMIT)
    return cluster.run(6.0).figures(1.0, 6.0)["p50_ms"]


def test_one_engine_one_at_a_time_is_the_queue_of_the_textbook() -> None:
    """M/D/1 at 50 %: a request waits half a service on average."""
    cluster = Cluster(COSTS, 1, Machine(NO_LIMIT), seed=3)
    cluster.offer(poisson(50.0, cluster.random), NO_LIMIT)
    latencies = cluster.run(600.0).latencies_s
    assert sum(latencies) / len(latencies) == pytest.approx(0.015, rel=0.08)


def test_a_closed_loop_is_served_at_the_pace_of_the_engine() -> None:
    cluster = Cluster(COSTS, 1, Machine(NO_LIMIT))
    cluster.offer_closed(8)
    figures = cluster.run(20.0).figures(5.0, 20.0)
    assert figures["requests_per_s"] == pytest.approx(100, rel=0.01)
    assert figures["p50_ms"] == pytest.approx(80, rel=0.01)


def test_texts_that_wait_are_read_together_and_steps_are_shared() -> None:
    together = replace(
        COSTS, read_s=(0.0, *(0.01,) * 1024), step_s=(0.0, *(0.001,) * 1024), lengths=(5,), most_read=100
    )
    cluster = Cluster(together, 1, Machine(NO_LIMIT))
    cluster.offer_closed(20)
    figures = cluster.run(10.0).figures(2.0, 10.0)
    assert figures["requests_per_s"] == pytest.approx(20 / 0.015, rel=0.15)


def test_an_ingress_is_one_server_for_all() -> None:
    slow = replace(COSTS, read_s=(0.0,) * 1025, ingress_s=0.02)
    cluster = Cluster(slow, 4, Machine(NO_LIMIT), has_ingress=True)
    cluster.offer_closed(10)
    assert cluster.run(20.0).figures(5.0, 20.0)["requests_per_s"] == pytest.approx(50, rel=0.02)


def test_two_busy_processes_on_one_processor_take_twice_as_long() -> None:
    cluster = Cluster(COSTS, 2, Machine(1.0), routing="least")
    cluster.offer_closed(16)
    assert cluster.run(20.0).figures(5.0, 20.0)["requests_per_s"] == pytest.approx(100, rel=0.05)


def test_two_choices_are_better_than_one_and_bear_old_knowledge_better_than_all() -> None:
    fresh, chance = _p50_ms(0.9, "two", 0.001), _p50_ms(0.9, "random", None)
    assert fresh < 0.6 * chance
    assert _p50_ms(0.9, "least", None) <= fresh
    assert _p50_ms(0.9, "two", 0.2) < 0.5 * _p50_ms(0.9, "least", 0.2)


def test_the_dead_lose_nothing_but_what_dies_twice() -> None:
    cluster = Cluster(COSTS, 10, Machine(NO_LIMIT), seed=2)
    cluster.offer_closed(50)
    cluster.run(1.0)
    had = sum(engine.load for engine in cluster.engines)
    cluster.kill(5)
    cluster.kill(4)
    outcome = cluster.run(6.0)
    assert had == 50
    assert 0 < outcome.num_retried <= 50
    assert outcome.num_failed <= outcome.num_retried
    (left,) = cluster.engines
    assert isinstance(left, Engine)
    assert left.load == 50 - outcome.num_failed


@pytest.mark.parametrize("come", [poisson, bursts])
def test_so_many_come_on_average(come: object) -> None:
    cluster = Cluster(COSTS, 1, Machine(NO_LIMIT), seed=5)
    assert callable(come)
    gaps = come(1000.0, cluster.random)
    assert sum(next(gaps) for _ in range(100_000)) == pytest.approx(100, rel=0.1)


def test_seconds_between_and_beyond_what_was_measured_lie_on_lines() -> None:
    seconds = by_number([(8, 0.8), (1, 0.1), (4, 0.2)])
    assert [round(seconds[number], 6) for number in (1, 2, 4, 6, 8, 10)] == [0.1, 0.133333, 0.2, 0.5, 0.8, 1.1]
    assert len(seconds) == 1025
    noisy = by_number([(1, 0.1), (2, 0.3), (4, 0.2)])
    assert noisy[2:1025] == (0.3,) * 1023

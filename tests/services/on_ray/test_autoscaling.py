"""How many engines are asked for."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

pytest.importorskip("ray.serve", reason="Ray is not installed")

from rondo_services.on_ray.autoscaling import LOAD, engines_for_load


def _wanted(*loads: float, target: float = 8.0) -> float:
    metrics = {LOAD: dict(enumerate(loads))} if loads else {}
    context = SimpleNamespace(aggregated_metrics=metrics, config=SimpleNamespace(target_ongoing_requests=target))
    wanted, state = engines_for_load(cast("Any", context))
    assert state == {}
    return wanted


def test_each_is_to_have_its_target() -> None:
    assert _wanted(20.0, 4.0) == 3.0
    assert _wanted(5.0, 4.0) == 1.125


def test_there_is_always_one() -> None:
    assert _wanted() == 1.0
    assert _wanted(0.0, 1.0) == 1.0

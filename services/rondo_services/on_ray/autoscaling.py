"""How many engines there should be."""

from typing import Any

from ray.serve.config import AutoscalingContext

LOAD = "rondo_load"
"""Of an engine's statistics: requests that it has."""


def engines_for_load(context: AutoscalingContext) -> tuple[float, dict[str, Any]]:
    """So many that each has its target of requests; Ray Serve then keeps to the bounds and delays that are set."""
    loads = (context.aggregated_metrics or {}).get(LOAD, {})
    assert context.config is not None
    return max(1.0, sum(loads.values()) / context.config.target_ongoing_requests), {}

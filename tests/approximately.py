"""Answers of engines in which the last bits depend on what else is read and written."""

from typing import Any

import pytest


def approximately(value: Any, tolerance: float = 1e-4) -> Any:
    """Is equal to the same plain values, where every fraction may differ by so much."""
    match value:
        case float():
            return pytest.approx(value, abs=tolerance)
        case dict():
            return {name: approximately(own, tolerance) for name, own in value.items()}
        case list():
            return [approximately(own, tolerance) for own in value]
        case _:
            return value

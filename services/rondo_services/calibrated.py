"""What a manifest says of a service that was fitted to a bundle's weights, and so is not true of others."""

from collections.abc import Mapping
from typing import Any

from .summarization import standing
from .translation import quality

_KEYS = (quality.MANIFEST_KEY, standing.MANIFEST_KEY)


def uncalibrated(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest says of a service, for weights that were not calibrated."""
    return {name: value for name, value in values.items() if name not in _KEYS}

"""What a manifest says when its bundle's weights have been changed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rondo_models.manifest import Manifest

from ..calibrated import uncalibrated
from .origins import HELPERS


def unmeasured(manifest: Manifest, heads: Sequence[str] = ()) -> Manifest:
    """The same, without what was measured of the weights before.

    Args:
        heads: that alone were changed, so that other services stay calibrated; none: everything was.
    """
    services = {
        name: values if heads and not {name, *_helpers(values)} & set(heads) else uncalibrated(values)
        for name, values in manifest.services.items()
    }
    return replace(manifest, services=services, scores=(), failures=(), probes=())


def _helpers(values: Mapping[str, Any]) -> list[str]:
    """The further heads of a service."""
    return [values[name] for _, name in HELPERS.values() if name in values]

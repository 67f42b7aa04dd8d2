"""What a manifest says when its bundle's weights have been changed."""

from collections.abc import Sequence
from dataclasses import replace

from rondo_models.manifest import Manifest

from ..translation.quality import uncalibrated


def unmeasured(manifest: Manifest, heads: Sequence[str] = ()) -> Manifest:
    """The same, without what was measured of the weights before.

    Args:
        heads: that alone were changed, so that other services stay calibrated; none: everything was.
    """
    services = {
        name: uncalibrated(values) if not heads or name in heads else values
        for name, values in manifest.services.items()
    }
    return replace(manifest, services=services, scores=(), failures=(), probes=())

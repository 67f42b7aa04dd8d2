"""What a manifest says when its bundle's weights have been changed."""

from dataclasses import replace

from rondo_models.manifest import Manifest

from ..translation.quality import uncalibrated


def unmeasured(manifest: Manifest) -> Manifest:
    """The same, without what was measured of the weights before."""
    services = {name: uncalibrated(values) for name, values in manifest.services.items()}
    return replace(manifest, services=services, scores=(), failures=(), probes=())

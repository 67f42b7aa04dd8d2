"""Settings of an engine process."""

from dataclasses import dataclass
from pathlib import Path

from rondo_models.config import Precision

from .scheduler import Limits

SMALL_CACHES = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "32", "LRU_CACHE_CAPACITY": "32"}
"""Variables of the matrix library: by default it keeps a thousand prepared products, one a shape; 120 MB under load."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What the server tells the engine's process.

    Attributes:
        precision: of reading; None: what is fast on this processor.
        max_wait_s: how long the first request of an idle engine waits for company, if there was any last time.
        num_threads: of the matrix kernels.
        fingerprint: of the bundle that has to be in the folder; empty: whatever is there.
        gently: get ready at low priority, so that an engine that is at work beside it keeps its pace.
    """

    bundle: Path
    limits: Limits
    precision: Precision | None
    max_wait_s: float
    num_threads: int
    fingerprint: str = ""
    gently: bool = False

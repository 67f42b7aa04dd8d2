"""An engine as a replica of a Ray Serve deployment. It knows ids; requests come over its own connections."""

import asyncio
import gc
import logging
import os
import secrets
import time
from typing import Any

import ray
from prometheus_client import CollectorRegistry

from rondo_models.manifest import Contents

from ..engine.admission import Entrance
from ..engine.observer import EngineObserver
from ..engine.options import SMALL_CACHES, WorkerOptions
from ..server.served_bundles import warm_up
from ..settling import settle
from ..suite import services_of, suite_over
from .autoscaling import LOAD
from .link import EngineAddress
from .metrics import PoolMetrics
from .pool import EnginePool

logger = logging.getLogger("rondo")

_TOKEN_BYTES = 32
_LOOK_EVERY_S = 0.05
_WARM_UP_S = 60.0


class EngineReplica:
    """Loads the bundle, and answers whoever asks at its `address`.

    Args:
        options: of the engine.
        hang_s: an engine that does not go on for so long is not healthy.
        grace_s: how long requests may finish when the replica is to end.

    Raises:
        BundleError, ValueError: the bundle can't be used.
    """

    async def __init__(  # type: ignore[misc]  # Ray Serve awaits it
        self, options: WorkerOptions, hang_s: float, grace_s: float
    ) -> None:
        for name, value in SMALL_CACHES.items():  # read when the matrix library is loaded, with the next imports
            os.environ.setdefault(name, value)
        from ..engine.asker import EngineReporter
        from ..engine.worker import engine_core
        from ..suite import entrance_of
        from .hub import Hub

        self._hang_s = hang_s
        self._grace_s = grace_s
        reporter, host = EngineReporter(), ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        core, contents = engine_core(options, reporter)
        entrance = entrance_of(contents, options.limits, reporter)
        token = secrets.token_bytes(_TOKEN_BYTES)
        self._hub = Hub(
            core, reporter, entrance, contents.fingerprint, host, token, options.max_wait_s, options.num_threads
        )
        self._address = EngineAddress(host, self._hub.port, token)
        gc.collect()
        settle()
        self._hub.start()
        await _warm_up(self._address, contents, entrance)

    def address(self) -> EngineAddress:
        """Where to ask."""
        return self._address

    def check_health(self) -> None:
        """Ray Serve asks this, and replaces a replica for which it raises."""
        silent_s = time.monotonic() - self._hub.seen_at
        if not self._hub.is_alive or silent_s > self._hang_s:
            raise RuntimeError(f"the engine has stopped, or has not gone on for {silent_s:.0f} s")

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Ray Serve asks this for `autoscaling.py`."""
        return {LOAD: float(self._hub.held)}

    async def __del__(self) -> None:
        """Ray Serve calls this when the replica is to end: take leave, and let requests finish."""
        hub: Any = getattr(self, "_hub", None)
        if hub is None:  # the bundle could not be loaded
            return
        hub.leave()
        deadline = time.monotonic() + self._grace_s
        while hub.is_alive and not hub.is_idle and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_EVERY_S)
        await asyncio.to_thread(hub.close)


async def _warm_up(address: EngineAddress, contents: Contents, entrance: Entrance) -> None:
    """Ask the engine for something of each service, as an ingress does, before Ray Serve sends anybody here."""
    pool = EnginePool(contents.fingerprint, entrance, EngineObserver(), PoolMetrics(CollectorRegistry()), _WARM_UP_S)
    pool.found([address])
    await pool.until_alive(_WARM_UP_S)
    tokenizer, wanted = services_of(contents, None, "the bundle")
    await warm_up(suite_over(pool, contents, tokenizer, wanted))
    await pool.stop(grace_s=0.0)

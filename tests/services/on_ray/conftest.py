"""Engines of a tiny bundle that listen in this process, and pools that ask them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import torch
from prometheus_client import CollectorRegistry

from rondo_models.bundle import Bundle
from rondo_services.engine.admission import Entrance
from rondo_services.engine.asker import EngineReporter
from rondo_services.engine.core import EngineCore
from rondo_services.engine.scheduler import Limits
from rondo_services.on_ray.hub import Hub
from rondo_services.on_ray.link import EngineAddress
from rondo_services.on_ray.metrics import PoolMetrics
from rondo_services.on_ray.pool import EnginePool
from rondo_services.server.metrics import ServerMetrics
from rondo_services.suite import entrance_of
from rondo_tokenizers.vocabulary import Tokenizer

TOKEN = b"so that nobody else asks it, ever"
HOST = "127.0.0.1"
TIMEOUT_S = 20.0


def address(hub: Hub) -> EngineAddress:
    return EngineAddress(HOST, hub.port, hub.token)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not holds():
            await asyncio.sleep(0.005)


class Pool(EnginePool):
    """Shows what it counts."""

    def __init__(self, fingerprint: str, entrance: Entrance, observer: ServerMetrics, hang_s: float) -> None:
        self.registry = CollectorRegistry()
        super().__init__(fingerprint, entrance, observer, PoolMetrics(self.registry), hang_s)

    def counted(self, name: str) -> float:
        value = self.registry.get_sample_value(name)
        assert value is not None
        return value


MakeHub = Callable[..., Hub]
OpenPool = Callable[..., AbstractAsyncContextManager[Pool]]


@pytest.fixture
def make_hub(bundle: Bundle) -> Iterator[MakeHub]:
    """Engines that listen, and end with the test."""
    hubs = []
    threads = torch.get_num_threads()

    def make(limits: Limits | None = None, fingerprint: str = "tiny") -> Hub:
        tokenizer, reporter = Tokenizer(bundle.tokenizer), EngineReporter()
        core = EngineCore(
            bundle.model,
            end_id=tokenizer.end_id,
            forbidden=tokenizer.never_written,
            limits=limits or Limits(),
            observer=reporter,
            precision="float32",
            byte_ids=tokenizer.byte_ids,
        )
        entrance = entrance_of(bundle.contents, core.limits, reporter)
        hub = Hub(core, reporter, entrance, fingerprint, HOST, TOKEN, max_wait_s=0.0, num_threads=threads)
        hub.start()
        hubs.append(hub)
        return hub

    yield make
    for hub in hubs:
        hub.close()


@pytest.fixture
def open_pool(bundle: Bundle) -> OpenPool:
    """A pool that knows some hubs."""

    @asynccontextmanager
    async def opened(*hubs: Hub, limits: Limits | None = None, hang_s: float = 30.0) -> AsyncIterator[Pool]:
        metrics = ServerMetrics()
        pool = Pool("tiny", entrance_of(bundle.contents, limits or Limits(), metrics), metrics, hang_s)
        pool.found([address(hub) for hub in hubs])
        await until(lambda: pool.num_engines == len(hubs))
        try:
            yield pool
        finally:
            await pool.stop(grace_s=0.0)

    return opened

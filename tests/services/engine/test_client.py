"""The server's side of the engine's process."""

import asyncio

from rondo_models.decoding.parameters import SamplingParameters
from rondo_models.manifest import read_contents
from rondo_services.engine.client import EngineClient
from rondo_services.engine.observer import EngineObserver
from rondo_services.engine.options import WorkerOptions
from rondo_services.engine.requests import Generate
from rondo_services.engine.scheduler import Limits
from rondo_services.errors import Cancelled
from rondo_services.server.settings import default_bundle
from rondo_services.suite import entrance_of


def test_a_request_that_is_cancelled_at_once_is_not_written() -> None:
    """The cancelling once went out before the request did, and the engine wrote the whole text for nobody."""
    observer, limits = EngineObserver(), Limits()
    options = WorkerOptions(default_bundle(), limits, "float32", 0.0, 1)

    async def scenario() -> BaseException | None:
        client = EngineClient(options, entrance_of(read_contents(options.bundle), limits, observer), observer)
        await client.start()
        try:
            (ticket,) = client.submit_all([Generate("generation", (2, 4, 5), SamplingParameters(max_tokens=50))])
            ticket.cancel()
            return await asyncio.to_thread(ticket.future.exception, 30)
        finally:
            await client.stop(1.0)

    assert isinstance(asyncio.run(scenario()), Cancelled)

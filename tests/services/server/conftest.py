"""A client of an app over a suite, in this process."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

import httpx
import pytest

from rondo_services.access.control import AccessControl
from rondo_services.local import LocalSuite
from rondo_services.releases.fleet import Fleet
from rondo_services.server.app import create_app
from rondo_services.server.metrics import ServerMetrics
from rondo_services.server.settings import ServerSettings
from rondo_services.server.telemetry import Telemetry

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def connect() -> Connect:
    """A client of an app in this process; `at_work`: which has been started, so that it does jobs."""

    @asynccontextmanager
    async def client(
        suite: LocalSuite,
        settings: ServerSettings | None = None,
        metrics: ServerMetrics | None = None,
        telemetry: Telemetry | None = None,
        access: AccessControl | None = None,
        *,
        at_work: bool = False,
    ) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(Fleet.of(suite), settings or ServerSettings(), metrics or ServerMetrics(), telemetry, access)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app) if at_work else nullcontext(),
            httpx.AsyncClient(transport=transport, base_url="http://test") as connected,
        ):
            yield connected

    return client

"""An ingress as a replica of a Ray Serve deployment: the server's app over a pool of engines."""

import asyncio
import logging
import os
import socket
from contextlib import nullcontext
from typing import Any

import uvicorn
from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from rondo_models.manifest import read_contents

from ..collecting import collect_seldom
from ..releases.fleet import Fleet
from ..server.access.policy import access_control
from ..server.app import create_app
from ..server.metrics import ServerMetrics
from ..server.run import many_of, server_config
from ..server.served_bundles import asked_services, warm_up, worker_options
from ..server.settings import ServerSettings
from ..server.telemetry import telemetry_of
from ..suite import entrance_of, services_of, suite_over
from .finding import find_engines
from .metrics import PoolMetrics
from .pool import EnginePool

logger = logging.getLogger("rondo")

_FIRST_ENGINE_S = 600.0
"""How long an ingress waits for an engine: the cluster may have to get a machine first."""


@serve.ingress()
class Ingress:
    """Answers HTTP, behind Serve's proxy and, if there is a `port`, to whoever connects there.

    Args:
        engines: deployment of `EngineReplica`.
        host: at which others reach it, which decides whether keys are asked for.
        port: on which to listen; all ingresses of a node share it.

    Raises:
        BundleError, InvalidInput: the bundle can't be used or lacks a service.
        ValueError: a key is asked for and there is none.
        TimeoutError: there is no engine.
    """

    async def __init__(  # type: ignore[misc]  # Ray Serve awaits it
        self, settings: ServerSettings, engines: DeploymentHandle[Any], host: str, port: int | None
    ) -> None:
        self._settings = settings
        metrics, telemetry = ServerMetrics(), telemetry_of(os.environ)
        access = access_control(settings, host)
        contents = read_contents(settings.bundle)
        tokenizer, wanted = services_of(contents, asked_services(settings), str(settings.bundle))
        entrance = entrance_of(contents, worker_options(settings, settings.bundle).limits, metrics)
        self._pool = EnginePool(contents.fingerprint, entrance, metrics, PoolMetrics(metrics.registry), settings.hang_s)
        self._finding = asyncio.create_task(find_engines(engines, self._pool))
        await self._pool.until_alive(_FIRST_ENGINE_S)
        suite = suite_over(self._pool, contents, tokenizer, wanted, settings.state_key.get_secret_value())
        await warm_up(suite)
        fleet = Fleet.of(suite.called(settings.bundle_name) if settings.bundle_name else suite)
        self._app = create_app(fleet, settings, metrics, telemetry, access)
        self._telemetry = telemetry
        self._access = nullcontext() if access is None else access.written_behind()
        await self._access.__aenter__()
        collect_seldom()
        self._server: uvicorn.Server | None = None
        if port is not None:
            config = server_config(self._app, fleet, settings, metrics, telemetry, host, port)
            config.lifespan = "off"  # Serve runs it
            self._server = uvicorn.Server(config)
            self._serving = asyncio.create_task(self._server.serve(many_of(_shared_listener(host, port))))
            server = self._server
            self._app.state.jobs.is_ending = lambda: server.should_exit

    def __serve_build_asgi_app__(self) -> FastAPI:
        return self._app

    def check_health(self) -> None:
        """Ray Serve asks this, and replaces a replica for which it raises."""
        if self._finding.done():
            raise RuntimeError("engines are not looked for any more")
        if self._server is not None and self._serving.done():
            raise RuntimeError("nobody listens any more")

    async def __del__(self) -> None:
        """Ray Serve calls this when the replica is to end."""
        if not hasattr(self, "_access"):  # it could not be made
            return
        if self._server is not None:
            self._server.should_exit = True
            await self._serving
        self._finding.cancel()
        await self._pool.stop(self._settings.grace_s)
        await self._access.__aexit__(None, None, None)
        if self._telemetry is not None:
            await asyncio.to_thread(self._telemetry.close)


def _shared_listener(host: str, port: int) -> socket.socket:
    """A socket on a port that others of this machine may share: the kernel spreads connections over them."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048, reuse_port=True)

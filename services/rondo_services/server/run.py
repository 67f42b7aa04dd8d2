"""Starts the engine, then the app under uvicorn, and says where it listens."""

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType

import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from setproctitle import setproctitle

from ..collecting import collect_seldom
from ..engine.port import PlaceKeeper
from ..releases.fleet import Fleet
from ..releases.rollout import Rollout
from .access.policy import access_control
from .app import create_app, error_shapes
from .browsers import standing_headers
from .bundle_metrics import BundleMetrics
from .kubernetes_variables import kubernetes_variables
from .logs import configure_logs
from .metrics import ServerMetrics
from .protocol import refusing_protocol
from .routes import engine_paths
from .served_bundles import launcher, start_fleet
from .settings import ServerSettings
from .telemetry import Telemetry, telemetry_of
from .tls import check_certificate

logger = logging.getLogger("rondo")

_ACCEPT_IN_A_ROUND = 32
_TURN_S = 0.0005
"""Of a thread that tokenises a long text while the event loop waits; streams would feel Python's own 5 ms."""


def many_of(listener: socket.socket) -> list[socket.socket]:
    """The socket and duplicates of it.

    In a round of its loop libuv takes one connection from each listening socket. With one socket, new clients of a busy
    server waited for seconds before they were heard.
    """
    return [listener, *(listener.dup() for _ in range(_ACCEPT_IN_A_ROUND - 1))]


def server_config(
    app: FastAPI,
    engine: PlaceKeeper,
    settings: ServerSettings,
    metrics: ServerMetrics,
    telemetry: Telemetry | None,
    host: str,
    port: int,
) -> uvicorn.Config:
    """How uvicorn is to serve the app over an engine."""
    return uvicorn.Config(
        app,
        http=refusing_protocol(
            engine,
            metrics,
            engine_paths(app.routes).fixed(),
            error_shapes(),
            telemetry,
            app.state.short_way,
            cors=bool(settings.origins),
            logged=settings.access_log != "off",
        ),
        host=host,
        port=port,
        log_level="warning",
        log_config=None,
        access_log=False,
        headers=standing_headers(check_certificate(settings)),
        proxy_headers=settings.proxy_headers,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        ssl_certfile=settings.ssl_certfile,
        ssl_keyfile=settings.ssl_keyfile,
        ssl_keyfile_password=settings.ssl_keyfile_password.get_secret_value() or None,
        timeout_graceful_shutdown=max(1, round(settings.grace_s)),
    )


def address_of(listener: socket.socket, host: str, *, tls: bool) -> str:
    """The URL of a host's listener, with the port that it has got."""
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{listener.getsockname()[1]}"


class AnnouncingServer(uvicorn.Server):
    """Says what it serves, and where, once it listens."""

    def __init__(self, config: uvicorn.Config, fleet: Fleet, address: str) -> None:
        super().__init__(config)
        self._fleet = fleet
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does."""
        await super().startup(sockets)
        for slot in self._fleet.slots.values():
            logger.info("serving %s of %s on %s", ", ".join(slot.services), slot.name, self._address)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


async def _serve(settings: ServerSettings) -> None:
    host, port = settings.host, settings.port
    tls, access = check_certificate(settings), access_control(settings, host)
    metrics, telemetry = ServerMetrics(), telemetry_of(os.environ)
    if not settings.state_key.get_secret_value():  # one for all releases, so that a roll-back knows its states again
        settings = settings.model_copy(update={"state_key": SecretStr(secrets.token_hex(32))})
    fleet = await start_fleet(settings, launcher(settings, metrics, gently=False))
    bundle_metrics = BundleMetrics(fleet, metrics.registry)
    rollout = Rollout(fleet, launcher(settings, metrics, gently=True), settings.grace_s, bundle_metrics.changed)
    try:
        app = create_app(fleet, settings, metrics, telemetry, access, rollout, bundle_metrics)
        collect_seldom()
        config = server_config(app, fleet, settings, metrics, telemetry, host, port)
        async with access.written_behind() if access is not None else nullcontext():
            listener = config.bind_socket()
            server = AnnouncingServer(config, fleet, address_of(listener, host, tls=tls))
            app.state.jobs.is_ending = rollout.is_ending = lambda: server.should_exit
            with _reloading_when_told(rollout):
                await server.serve(many_of(listener))
    finally:
        await rollout.stop()
        if telemetry is not None:
            await asyncio.to_thread(telemetry.close)


@contextmanager
def _reloading_when_told(rollout: Rollout) -> Iterator[None]:
    """While it is open, SIGHUP has all bundles read anew; one at a time, and the one that runs is ended at the end."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()

    async def reload() -> None:
        while True:
            await told.wait()
            told.clear()
            await rollout.reload_all()

    if not _takes_hangups():
        yield
        return
    reloading = asyncio.create_task(reload())
    loop.add_signal_handler(signal.SIGHUP, told.set)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        reloading.cancel()


def _takes_hangups() -> bool:
    """Whether SIGHUP asks for a reload. To what runs in a terminal it says that the terminal has gone."""
    return not (sys.stdin is not None and sys.stdin.isatty())


def serve(settings: ServerSettings) -> None:
    """Serve until SIGTERM or SIGINT; running requests may finish within the grace period.

    Raises as `start_fleet` does, and ValueError if there is no key though one is asked for, or no usable certificate.
    """
    configure_logs("json" if settings.access_log == "json" else "text")
    if foreign := kubernetes_variables(os.environ):
        logger.info("not read, as they are of Kubernetes (enableServiceLinks): %s", ", ".join(foreign))
    setproctitle("rondo-server")
    sys.setswitchinterval(_TURN_S)
    if _takes_hangups():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to reload
    signal.signal(signal.SIGTERM, _end)  # uvicorn, once it has stopped, raises the signal again
    with asyncio.Runner(loop_factory=uvicorn.Config("", log_config=None).get_loop_factory()) as runner:
        runner.run(_serve(settings))

"""Starts the engine, then the app under uvicorn, and says where it listens."""

import asyncio
import gc
import logging
import os
import signal
import socket
from contextlib import nullcontext
from pathlib import Path
from types import FrameType

import uvicorn
from setproctitle import setproctitle

from rondo_tokenizers.languages import detect_language

from ..engine.options import WorkerOptions
from ..engine.scheduler import Limits
from ..generation.schema import GenerateRequest
from ..suite import Suite
from ..summarization.service import SummaryOptions
from ..supervised import start_suite as start_supervised
from ..translation.service import TranslationOptions
from .access.policy import access_control
from .app import create_app, error_shapes
from .browsers import standing_headers
from .kubernetes_variables import kubernetes_variables
from .logs import configure_logs
from .metrics import ServerMetrics
from .protocol import refusing_protocol
from .routes import engine_paths
from .settings import ServerSettings
from .telemetry import telemetry_of
from .tls import check_certificate

logger = logging.getLogger("rondo")

_ACCEPT_IN_A_ROUND = 32


async def warm_up(suite: Suite) -> None:
    """Answer one small request of each service, so that no user pays for the first use of the kernels."""
    text = "Good morning."
    detect_language(text)
    if suite.sentiment is not None:
        await suite.run([suite.sentiment.work(text)])
    if suite.generation is not None:
        await suite.run([suite.generation.work(text, GenerateRequest(prompt=text, max_tokens=2))])
    if suite.summarization is not None:
        plan = suite.summarization.plan(text, SummaryOptions(max_tokens=2))
        await suite.run([plan.work] if plan.work is not None else [])
    if suite.translation is not None:
        source, target = suite.translation.pairs[0]
        await suite.run(suite.translation.plan(text, TranslationOptions(source, target)).works)


def worker_options(settings: ServerSettings) -> WorkerOptions:
    """The part of the settings that the engine needs."""
    limits = Limits(
        max_waiting=settings.max_waiting,
        max_waiting_tokens=settings.max_waiting_tokens,
        tokens_per_cut=settings.tokens_per_cut,
        max_rows=settings.max_rows,
        batch_rows=settings.batch_rows,
        chunk_tokens=settings.chunk_tokens,
        cached_prompts=settings.cached_prompts,
    )
    precision = None if settings.precision == "auto" else settings.precision
    return WorkerOptions(Path(settings.bundle), limits, precision, settings.max_wait_ms / 1000, settings.threads)


def asked_services(settings: ServerSettings) -> list[str] | None:
    """Names of the services to offer; None for all."""
    return [name.strip() for name in settings.services.split(",") if name.strip()] or None


async def start_suite(settings: ServerSettings, metrics: ServerMetrics) -> Suite:
    """The suite that the settings ask for, over an engine that is ready.

    Raises:
        BundleError: the bundle can't be used.
        InvalidInput: a service is unknown or not in the bundle.
        EngineUnavailable: the engine's process could not be started.
    """
    options = worker_options(settings)
    if settings.engine == "inprocess":
        from ..local import load_suite  # brings torch into this process

        return load_suite(
            options.bundle,
            asked_services(settings),
            settings.state_key.get_secret_value(),
            limits=options.limits,
            max_wait_s=options.max_wait_s,
            num_threads=options.num_threads,
            precision=options.precision,
            observer=metrics,
        )
    return await start_supervised(
        options,
        asked_services(settings),
        metrics,
        settings.state_key.get_secret_value(),
        hang_s=settings.hang_s,
        start_timeout_s=settings.start_timeout_s,
    )


def many_of(listener: socket.socket) -> list[socket.socket]:
    """The socket and duplicates of it.

    In a round of its loop libuv takes one connection from each listening socket. With one socket, new clients of a busy
    server waited for seconds before they were heard.
    """
    return [listener, *(listener.dup() for _ in range(_ACCEPT_IN_A_ROUND - 1))]


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


async def _serve(settings: ServerSettings) -> None:
    host, port = settings.host, settings.port
    tls, access = check_certificate(settings), access_control(settings, host)
    metrics, telemetry = ServerMetrics(), telemetry_of(os.environ)
    suite = await start_suite(settings, metrics)
    try:
        await warm_up(suite)
        app = create_app(suite, settings, metrics, telemetry, access)
        gc.collect()
        gc.freeze()  # what is there for good: looking through it again and again held up everything for 100 ms
        scheme = "https" if tls else "http"
        logger.info("serving %s of %s on %s://%s:%d", ", ".join(suite.served()), suite.name, scheme, host, port)
        config = uvicorn.Config(
            app,
            http=refusing_protocol(
                suite.engine,
                metrics,
                engine_paths(app.routes).fixed(),
                error_shapes(),
                telemetry,
                cors=bool(settings.origins),
                logged=settings.access_log != "off",
            ),
            host=host,
            port=port,
            log_level="warning",
            log_config=None,
            access_log=False,
            headers=standing_headers(tls),
            proxy_headers=settings.proxy_headers,
            forwarded_allow_ips=settings.forwarded_allow_ips,
            ssl_certfile=settings.ssl_certfile,
            ssl_keyfile=settings.ssl_keyfile,
            ssl_keyfile_password=settings.ssl_keyfile_password.get_secret_value() or None,
            timeout_graceful_shutdown=max(1, round(settings.grace_s)),
        )
        async with access.written_behind() if access is not None else nullcontext():
            server = uvicorn.Server(config)
            app.state.jobs.is_ending = lambda: server.should_exit
            await server.serve(many_of(config.bind_socket()))
    finally:
        await suite.engine.stop(settings.grace_s)
        if telemetry is not None:
            await asyncio.to_thread(telemetry.close)


def serve(settings: ServerSettings) -> None:
    """Serve until SIGTERM or SIGINT; running requests may finish within the grace period.

    Raises as `start_suite` does, and ValueError if there is no key though one is asked for, or no usable certificate.
    """
    configure_logs("json" if settings.access_log == "json" else "text")
    if foreign := kubernetes_variables(os.environ):
        logger.info("not read, as they are of Kubernetes (enableServiceLinks): %s", ", ".join(foreign))
    setproctitle("rondo-server")
    signal.signal(signal.SIGTERM, _end)  # uvicorn, once it has stopped, raises the signal again
    with asyncio.Runner(loop_factory=uvicorn.Config("", log_config=None).get_loop_factory()) as runner:
        runner.run(_serve(settings))

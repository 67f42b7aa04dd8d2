"""Loads the bundle, starts the app under uvicorn, says where it listens."""

import logging
import signal
from pathlib import Path
from types import FrameType

import uvicorn

from rondo_tokenizers.languages import detect_language

from ..engine.scheduler import Limits
from ..generation.schema import GenerateRequest
from ..suite import Suite, load_suite
from ..summarization.service import SummaryOptions
from ..translation.service import TranslationOptions
from .app import create_app
from .metrics import ServerMetrics
from .settings import ServerSettings

logger = logging.getLogger("rondo")


def warm_up(suite: Suite) -> None:
    """Answer one small request of each service, so that no user pays for the first use of the kernels."""
    text = "Good morning."
    detect_language(text)
    if suite.sentiment is not None:
        suite.run_blocking([suite.sentiment.work(text)])
    if suite.generation is not None:
        suite.run_blocking([suite.generation.work(text, GenerateRequest(prompt=text, max_tokens=2))])
    if suite.summarization is not None:
        plan = suite.summarization.plan(text, SummaryOptions(max_tokens=2))
        suite.run_blocking([plan.work] if plan.work is not None else [])
    if suite.translation is not None:
        source, target = suite.translation.pairs[0]
        suite.run_blocking(suite.translation.plan(text, TranslationOptions(source, target)).works)


def load_for_serving(settings: ServerSettings, metrics: ServerMetrics) -> Suite:
    """The suite that the settings ask for; raises as `load_suite` does."""
    asked = [name.strip() for name in settings.services.split(",") if name.strip()]
    limits = Limits(
        max_waiting=settings.max_waiting,
        max_waiting_tokens=settings.max_waiting_tokens,
        tokens_per_cut=settings.tokens_per_cut,
        max_rows=settings.max_rows,
    )
    return load_suite(
        Path(settings.bundle),
        services=asked or None,
        limits=limits,
        max_wait_s=settings.max_wait_ms / 1000,
        num_threads=settings.threads,
        precision=None if settings.precision == "auto" else settings.precision,
        observer=metrics,
    )


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def serve(settings: ServerSettings, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; running requests may finish within the grace period."""
    signal.signal(signal.SIGTERM, _end)  # uvicorn, once it has stopped, raises the signal again
    metrics = ServerMetrics()
    suite = load_for_serving(settings, metrics)
    warm_up(suite)
    logger.info("serving %s of %s on http://%s:%d", ", ".join(suite.served()), suite.name, host, port)
    config = uvicorn.Config(
        create_app(suite, settings, metrics),
        host=host,
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=max(1, round(settings.grace_s)),
    )
    uvicorn.Server(config).run()

"""The bundles that the settings ask for, each with an engine, and how another is made ready beside one of them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from rondo_models.manifest import read_manifest
from rondo_tokenizers.languages import detect_language

from ..engine.options import WorkerOptions
from ..engine.scheduler import Limits
from ..errors import InvalidInput
from ..generation.schema import GenerateRequest
from ..releases.fleet import Fleet
from ..releases.names import check_bundle_name
from ..releases.release import Release
from ..releases.rollout import Launch
from ..releases.slot import Slot
from ..suite import Suite
from ..summarization.service import SummaryOptions
from ..supervised import start_suite as start_supervised
from ..translation.service import TranslationOptions
from .metrics import ServerMetrics
from .settings import ServerSettings


async def warm_up(suite: Suite) -> None:
    """Answer one small request of each service, so that no user pays for the first use of the kernels."""
    text = "Good morning."
    detect_language(text)
    if suite.sentiment is not None:
        await suite.run([suite.sentiment.work(text)])
    if suite.generation is not None:
        await suite.run([suite.generation.work(text, GenerateRequest(prompt=text, max_tokens=2))])
    if suite.summarization is not None:
        await suite.run(suite.summarization.plan(text, SummaryOptions(max_tokens=2)).works)
    if suite.compression is not None:
        await suite.run(suite.compression.plan(text).works)
    if suite.translation is not None:
        source, target = suite.translation.pairs[0]
        await suite.run(suite.translation.plan(text, TranslationOptions(source, target)).works)


def worker_options(settings: ServerSettings, folder: Path, *, gently: bool = False) -> WorkerOptions:
    """The part of the settings that an engine needs."""
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
    max_wait_s = settings.max_wait_ms / 1000
    return WorkerOptions(folder, limits, precision, max_wait_s, settings.threads, gently=gently)


async def start_suite(
    settings: ServerSettings,
    metrics: ServerMetrics,
    folder: Path,
    services: Sequence[str] | None,
    *,
    gently: bool = False,
) -> Suite:
    """A bundle's services over an engine that is ready.

    Args:
        gently: leave the processors to others.

    Raises:
        BundleError: the bundle can't be used.
        InvalidInput: a service is unknown or not in the bundle.
        EngineUnavailable: the engine's process could not be started.
    """
    options, observer = worker_options(settings, folder, gently=gently), metrics.of_an_engine()
    if settings.engine == "inprocess":
        from ..local import load_suite  # brings torch into this process

        return await asyncio.to_thread(
            load_suite,
            folder,
            services,
            settings.state_key.get_secret_value(),
            limits=options.limits,
            max_wait_s=options.max_wait_s,
            num_threads=options.num_threads,
            precision=options.precision,
            observer=observer,
        )
    return await start_supervised(
        options,
        services,
        observer,
        settings.state_key.get_secret_value(),
        hang_s=settings.hang_s,
        start_timeout_s=settings.start_timeout_s,
    )


def launcher(settings: ServerSettings, metrics: ServerMetrics, *, gently: bool) -> Launch:
    """Makes releases ready; raises as `start_suite`."""

    async def launch(name: str, folder: Path, services: Sequence[str] | None) -> Release:
        real = folder.resolve()  # a link may be set anew, but the engine's process has to find its bundle again
        suite = await start_suite(settings, metrics, real, services, gently=gently)
        named = suite.called(name)
        try:
            await warm_up(named)
        except BaseException:
            await suite.engine.stop(0)
            raise
        return Release(folder, real, named)

    return launch


async def start_fleet(settings: ServerSettings, launch: Launch) -> Fleet:
    """All bundles that the settings name, ready. If one can't be, those that are already are stopped.

    Raises as `start_suite`; InvalidInput also for names that can't be.
    """
    asked = asked_services(settings)
    folders = served_folders(settings)
    slots: list[Slot] = []
    try:
        for name, folder in folders.items():
            slots.append(Slot(name, await launch(name, folder, _services_of(folder, asked, len(folders) > 1))))
        fleet = Fleet(slots)
        if asked is not None and (missing := sorted(set(asked) - set(fleet.services))):
            raise InvalidInput(f"no bundle has {', '.join(missing)}")
    except BaseException:
        await asyncio.gather(*(slot.current.suite.engine.stop(0) for slot in slots))
        raise
    return fleet


def served_folders(settings: ServerSettings) -> dict[str, Path]:
    """Folders by the names under which their bundles are served, the default first.

    Raises:
        BundleError: there is no bundle.
        InvalidInput: a name can't be, or is there twice.
    """
    own = settings.bundle_name or read_manifest(settings.bundle).name
    found = {check_bundle_name(own): settings.bundle}
    for name, folder in settings.bundles.items():
        if check_bundle_name(name) in found:
            raise InvalidInput(f"two bundles can't both be served as {name!r}; give one another name")
        found[name] = folder
    return found


def asked_services(settings: ServerSettings) -> list[str] | None:
    """Names of the services to offer; None for all."""
    return _listed(settings.services) or None


def _services_of(folder: Path, asked: list[str] | None, one_of_several: bool) -> list[str] | None:
    """What a bundle is to offer: all that is asked for, or of several bundles each what it has of that."""
    if asked is None or not one_of_several:
        return asked
    return [name for name in asked if name in read_manifest(folder).services] or asked


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]

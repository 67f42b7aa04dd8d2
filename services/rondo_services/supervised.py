"""A suite whose engine is a supervised process of its own, so that nothing here needs torch."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypedDict, Unpack

from rondo_models.manifest import Contents, read_contents

from .engine.admission import Entrance
from .engine.client import EngineClient
from .engine.observer import EngineObserver
from .engine.options import WorkerOptions
from .suite import Suite, entrance_of, services_of, suite_over


class Patience(TypedDict, total=False):
    """As `EngineClient` explains them."""

    hang_s: float
    start_timeout_s: float


async def start_suite(
    options: WorkerOptions,
    services: Sequence[str] | None,
    observer: EngineObserver,
    state_key: str = "",
    **patience: Unpack[Patience],
) -> Suite:
    """The services of a bundle, once its engine is ready; stop it with `suite.engine.stop`.

    Args:
        services: their names; None: all that the bundle has.

    Raises:
        BundleError: the bundle can't be used.
        InvalidInput: a service is unknown or not in the bundle.
        EngineUnavailable: the engine's process could not be started.
    """

    def looked_at() -> tuple[Contents, tuple[Any, ...], Entrance]:
        contents = read_contents(options.bundle)
        found = services_of(contents, services, str(options.bundle))
        return contents, found, entrance_of(contents, options.limits, observer)

    contents, (tokenizer, wanted), entrance = await asyncio.to_thread(looked_at)
    engine = EngineClient(replace(options, fingerprint=contents.fingerprint), entrance, observer, **patience)
    await engine.start()
    return suite_over(engine, contents, tokenizer, wanted, state_key)

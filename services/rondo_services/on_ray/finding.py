"""Where the engines are, asked of Ray Serve again and again."""

import asyncio
import logging
from typing import Any

from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from .link import EngineAddress
from .pool import EnginePool

logger = logging.getLogger("rondo")

_LEAST_PAUSE_S = 1.0
_ENGINES_PER_S = 100
"""So many engines are asked a second: a thousand are looked for every ten seconds."""

_ANSWER_TIMEOUT_S = 10.0


async def find_engines(engines: DeploymentHandle[Any], pool: EnginePool) -> None:
    """Tell the pool of all engines that answer, until this is cancelled. While Ray is away, those known go on."""
    while True:
        addresses: list[EngineAddress] = []
        try:
            answers = await engines.broadcast("address").results_async(
                timeout_s=_ANSWER_TIMEOUT_S, return_exceptions=True
            )
            addresses = [answer for answer in answers if isinstance(answer, EngineAddress)]
        except (DeploymentUnavailableError, TimeoutError):
            logger.info("no engine answers yet")
        except Exception:
            logger.exception("Ray could not be asked for engines")
        pool.found(addresses)
        pool.look()
        await asyncio.sleep(max(_LEAST_PAUSE_S, len(addresses) / _ENGINES_PER_S))

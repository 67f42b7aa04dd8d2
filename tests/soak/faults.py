"""Kills the engine's process now and then; never three times in a minute, after which it would rightly stay down."""

import asyncio
import os
import random
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_SHORTEST_GAP_S = 35.0
_LONGEST_GAP_S = 90.0


def engine_pid(server_pid: int) -> int | None:
    """The engine's process of a server, if it has one now."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for child in Path(f"/proc/{server_pid}/task/{server_pid}/children").read_text(encoding="utf-8").split():
            if Path(f"/proc/{child}/comm").read_text(encoding="utf-8").strip() == "rondo-engine":
                return int(child)
    return None


def times_of_kills(seconds: float, seed: int) -> list[float]:
    """Seconds from the beginning; the first comes early, so that there is one in a short run too."""
    rng = random.Random(seed)
    times = [rng.uniform(0.1, 0.3) * seconds]
    while (following := times[-1] + rng.uniform(_SHORTEST_GAP_S, _LONGEST_GAP_S)) < seconds:
        times.append(following)
    return times


async def kill_engine_at(server_pid: int, times: Sequence[float]) -> int:
    """Kill the engine at each of these times, in seconds from now; how often there was one to kill."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    num_killed = 0
    for time in times:
        await asyncio.sleep(max(0.0, began + time - loop.time()))
        if (pid := engine_pid(server_pid)) is not None:
            os.kill(pid, signal.SIGKILL)
            num_killed += 1
    return num_killed

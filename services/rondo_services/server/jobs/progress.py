"""How a job goes on, as server-sent events.

Each `progress` event has the fields of `JobProgress`; the last, `job`, has the whole job, or `error` says why no more
can be told. A client that comes again is told how the job stands then, so it misses nothing that matters: an id that it
sends back makes no difference.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from ...errors import RondoError
from ...jobs.store import JobStore
from ...jobs.types import Job
from ..errors import failure_of
from ..shapes import native_shape
from .desk import JobDesk
from .schema import progress_of, reply_of

_LOOK_EVERY_S = 0.5
_COMMENT_EVERY_S = 3.0


async def progress_events(desk: JobDesk, job: Job) -> AsyncIterator[str]:
    """Events until the job has ended or is deleted, or the server ends; comments keep the connection alive."""
    began = (desk.now(), job.num_answered + job.num_bad)
    told: dict[str, Any] | None = None
    silent_s = 0.0
    while not job.has_ended and not desk.is_ending():
        progress = progress_of(job, desk.now(), began)
        if told is None or _changed(told, progress):
            yield f"event: progress\ndata: {json.dumps(progress)}\n\n"
            told, silent_s = progress, 0.0
        elif silent_s >= _COMMENT_EVERY_S:
            yield ": \n\n"
            silent_s = 0.0
        await asyncio.sleep(_LOOK_EVERY_S)
        silent_s += _LOOK_EVERY_S
        try:
            found = await desk.ask(partial(JobStore.job, job_id=job.id))
        except RondoError as error:
            _, body = native_shape(failure_of(error))
            yield f"event: error\ndata: {json.dumps(body)}\n\n"
            return
        if found is None:
            return
        job = found
    if job.has_ended:
        yield f"event: job\ndata: {reply_of(job, desk.now()).model_dump_json()}\n\n"


def _changed(told: dict[str, Any], now: dict[str, Any]) -> bool:
    """In more than what the clock alone changes."""
    return any(told[name] != now[name] for name in now if name not in ("rate", "seconds_left"))

"""`rondo worker`: a process that does the jobs of servers and of other machines, with an engine of its own."""

from pathlib import Path
from typing import Annotated

import typer

from ..command_errors import errors_as_messages
from .job_options import Bundle, PrecisionOption, Threads, checked_precision


def worker(
    bundle: Bundle = None,
    threads: Threads = 1,
    precision: PrecisionOption = "auto",
    job: Annotated[str, typer.Option("--job", help="Only this job, and end with it.")] = "",
) -> None:
    """Do batch jobs until stopped; RONDO_STATE_DIR, RONDO_DATABASE_URL and RONDO_FILES_URL say where they are."""
    from ..engine.client import EngineUnavailable
    from ..jobs.process import run_process
    from ..jobs.settings import WorkerSettings
    from ..server.jobs.desk import job_place
    from ..server.jobs.worker import server_means
    from ..server.settings import ServerSettings

    with errors_as_messages(EngineUnavailable):
        settings = ServerSettings()
        folder: Path = bundle or settings.bundle
        own = WorkerSettings(
            job_place(settings), folder, job_id=job, precision=checked_precision(precision), threads=threads
        )
        run_process(own, server_means(settings))

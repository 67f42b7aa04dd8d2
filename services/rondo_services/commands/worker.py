"""`rondo worker`: a process that does the jobs of servers and of other machines, with an engine of its own."""

from typing import Annotated

import typer

from ..command_errors import errors_as_messages
from .job_options import Bundle, checked_precision
from .setting_flags import ConfigOption


def worker(
    bundle: Bundle = None,
    threads: Annotated[int | None, typer.Option(help="Of the matrix kernels; 1 by default.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, mixed, int16 or bfloat16; auto, the default: what is fast here.")
    ] = None,
    job: Annotated[str, typer.Option("--job", help="Only this job, and end with it.")] = "",
    config: ConfigOption = None,
) -> None:
    """Do batch jobs until stopped. The settings state_dir, database_url and files_url say where they are."""
    from ..engine.client import EngineUnavailable
    from ..jobs.process import run_process
    from ..jobs.settings import WorkerSettings
    from ..server.configuration import read_configuration
    from ..server.jobs.desk import job_place
    from ..server.jobs.worker import server_means

    with errors_as_messages(EngineUnavailable):
        settings = read_configuration(bundle=bundle, threads=threads, precision=precision, config=config).settings
        own = WorkerSettings(
            job_place(settings),
            settings.bundle,
            job_id=job,
            precision=checked_precision(settings.precision),
            threads=settings.threads,
        )
        run_process(own, server_means(settings))

"""What is kept of a job once, whoever is first to say it. Each function is a part of a transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from ..types import Job, StoredFile
from . import jobs
from .files import add_file


def note(connection: Connection, job_id: str, name: str, moment: float) -> None:
    """Keep a moment of a job that has not ended in its metadata, unless one is kept there."""
    row = jobs.locked(connection, job_id)
    if row is not None and row["ended_at"] is None and name not in row["metadata"]:
        jobs.change(connection, row, metadata={**row["metadata"], name: moment})


def cancel_job(connection: Connection, job_id: str, now: float) -> Job | None:
    """As `jobs.cancel_job`; the first time is noted as `cancelling_at`."""
    note(connection, job_id, "cancelling_at", now)
    return jobs.cancel_job(connection, job_id, now)


def keep_result(
    connection: Connection, job_id: str, result: Mapping[str, Any], written: Sequence[StoredFile]
) -> Mapping[str, Any] | None:
    """Keep what came of a job that has ended, with the files that belong to it, unless something is kept.

    Returns:
        What is kept then; None if there is no such job.
    """
    row = jobs.locked(connection, job_id)
    if row is None:
        return None
    if row["result"] is not None:
        return jobs.as_job(row).result
    for file in written:
        add_file(connection, file)
    jobs.change(connection, row, result=dict(result))
    return result

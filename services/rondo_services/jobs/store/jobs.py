"""What is kept of whole jobs: added, looked at, listed, ended, deleted. Each function is a part of a transaction.

Whatever changes a job or its units holds the lock on the job's row first (`locked`), so that counters add up and
nobody is given a unit of a job that is being ended.
"""

import secrets
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from ...errors import InvalidInput
from ..types import DoneChunk, Job, JobState, JobTally
from .tables import RANKS, jobs, units

_FIELDS = tuple(field.name for field in fields(Job))
_PREFIXES = {"job": "job_", "batch": "batch_"}
_PAGE = 256


def new_job_id(kind: str) -> str:
    """An id that nobody can guess.

    Raises:
        ValueError: there are no jobs of that kind.
    """
    if kind not in _PREFIXES:
        raise ValueError(f"a job is of kind {' or '.join(_PREFIXES)}, not {kind!r}")
    return _PREFIXES[kind] + secrets.token_hex(16)


def add_job(connection: Connection, again: bool, job: Job) -> Job:
    """Keep a new job, with the units that plan and finish it.

    Raises:
        InvalidInput: there is a job of that id.
    """
    if select_job(connection, job.id) is not None:
        if again:
            return job
        raise InvalidInput(f"there is a job {job.id!r} already; leave the id out to be given a new one", field="id")
    values = {name: getattr(job, name) for name in _FIELDS}
    values["spec"], values["metadata"] = dict(job.spec), dict(job.metadata)
    try:
        sequence = connection.execute(insert(jobs).values(values).returning(jobs.c.sequence)).scalar_one()
    except IntegrityError as error:  # another process was faster
        raise InvalidInput(f"there is a job {job.id!r} already", field="id") from error
    connection.execute(
        insert(units), [{"job": sequence, "rank": RANKS[kind], "number": 0} for kind in ("plan", "finish")]
    )
    return job


def select_job(connection: Connection, job_id: str) -> Job | None:
    """The job, if there is one."""
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().one_or_none()
    return None if row is None else as_job(row)


def list_jobs(connection: Connection, kind: str | None, owner: str | None, after: str | None, limit: int) -> list[Job]:
    """A page, newest first.

    Raises:
        InvalidInput: no such job is called `after`.
    """
    query = select(jobs).order_by(jobs.c.sequence.desc()).limit(limit)
    if kind is not None:
        query = query.where(jobs.c.kind == kind)
    if owner is not None:
        query = query.where(jobs.c.owner == owner)
    if after is not None:
        last = connection.execute(query.where(jobs.c.id == after)).mappings().one_or_none()
        if last is None:
            raise InvalidInput(f"there is no {kind or 'job'} {after!r} to go on after", field="after")
        query = query.where(jobs.c.sequence < last["sequence"])
    return [as_job(row) for row in connection.execute(query).mappings()]


def tally(connection: Connection) -> JobTally:
    """All jobs together."""
    records = (jobs.c.num_planned, jobs.c.num_answered, jobs.c.num_bad)
    query = select(jobs.c.state, func.count(), *(func.sum(column) for column in records)).group_by(jobs.c.state)
    rows = [tuple(row) for row in connection.execute(query)]
    planned, answered, bad = (int(sum(row[index] for row in rows)) for index in (2, 3, 4))
    return JobTally({row[0]: int(row[1]) for row in rows}, planned, answered, bad)


def ended_jobs(connection: Connection, before: float, limit: int) -> list[Job]:
    """Those that ended before that second, the oldest first."""
    query = select(jobs).where(jobs.c.ended_at < before).order_by(jobs.c.ended_at).limit(limit)
    return [as_job(row) for row in connection.execute(query).mappings()]


def num_of_others(connection: Connection, bundle: str) -> int:
    """How many have not ended, and are to be answered by another bundle."""
    query = select(func.count()).select_from(jobs).where(jobs.c.ended_at.is_(None), jobs.c.bundle != bundle)
    return int(connection.execute(query).scalar_one())


def delete_job(connection: Connection, again: bool, job_id: str) -> bool:
    """Forget a job and its units; whether there was one."""
    return connection.execute(delete(jobs).where(jobs.c.id == job_id)).rowcount > 0 or again


def done_chunks(connection: Connection, job_id: str, after: int) -> list[DoneChunk]:
    """The next of those that are done, in order."""
    query = (
        select(units)
        .join(jobs)
        .where(jobs.c.id == job_id, units.c.rank == RANKS["answer"], units.c.number > after, units.c.done)
        .order_by(units.c.number)
        .limit(_PAGE)
    )
    names = tuple(field.name for field in fields(DoneChunk))
    return [DoneChunk(**{name: row[name] for name in names}) for row in connection.execute(query).mappings()]


def num_open_chunks(connection: Connection, job_id: str) -> int:
    """Chunks of a job that are planned and not answered; none if it is not there."""
    return connection.execute(select(jobs.c.num_open).where(jobs.c.id == job_id)).scalar() or 0


def cancel_job(connection: Connection, job_id: str, now: float) -> Job | None:
    """Give out nothing more of a job; it is cancelled once nobody has a part of it."""
    row = locked(connection, job_id)
    if row is None:
        return None
    if row["ended_at"] is None:
        change(connection, row, state="cancelling")
        _delete_open(connection, row, only_free_at=now)
        end_if_cancelled(connection, row, now)
    return select_job(connection, job_id)


def overdue(connection: Connection, now: float) -> list[str]:
    """Ids of jobs that have to end: out of time, or cancelled and nobody has a part of them any more."""
    cancelled = and_(jobs.c.state == "cancelling", ~_leased(jobs.c.sequence, now).exists())
    late = and_(jobs.c.state != "cancelling", jobs.c.expires_at <= now)
    query = select(jobs.c.id).where(jobs.c.ended_at.is_(None), or_(cancelled, late))
    return list(connection.execute(query).scalars())


def end_overdue(connection: Connection, job_id: str, now: float) -> None:
    """End a job that `overdue` named, unless somebody did; one that another process has in hand is left to it."""
    row = locked(connection, job_id, skip=True)
    if row is None or row["ended_at"] is not None:
        return
    if row["state"] == "cancelling":
        end_if_cancelled(connection, row, now)
    elif row["expires_at"] is not None and row["expires_at"] <= now:
        end(connection, row, "expired", now)


def end_if_cancelled(connection: Connection, row: RowMapping, now: float) -> None:
    """To be called for a cancelling job whose lock is held, when a lease of it ended."""
    if not connection.execute(select(_leased(row["sequence"], now).exists())).scalar():
        end(connection, row, "cancelled", now)


def end(connection: Connection, row: RowMapping, state: JobState, now: float, **values: Any) -> None:
    """End a job whose lock is held; whoever has a lease of it has lost it."""
    change(connection, row, state=state, ended_at=now, num_open=0, **values)
    _delete_open(connection, row)


def change(connection: Connection, row: RowMapping, **values: Any) -> None:
    """Change columns of a job whose lock is held."""
    connection.execute(update(jobs).where(jobs.c.sequence == row["sequence"]).values(values))


def locked(connection: Connection, job_id: str, *, skip: bool = False) -> RowMapping | None:
    """A job's row, which nobody else changes until the transaction ends; SQLite locks the whole database anyway.

    Args:
        skip: None rather than waiting for whoever has the lock.
    """
    query = select(jobs).where(jobs.c.id == job_id).with_for_update(key_share=True, skip_locked=skip)
    return connection.execute(query).mappings().one_or_none()


def as_job(row: RowMapping, **changed: Any) -> Job:
    """A row of the table, with what has just been changed in it."""
    return Job(**{name: row[name] for name in _FIELDS} | changed)


def _leased(job: ColumnElement[int] | int, now: float) -> Select[int]:
    return select(units.c.number).where(units.c.job == job, ~units.c.done, units.c.until > now)


def _delete_open(connection: Connection, row: RowMapping, *, only_free_at: float | None = None) -> None:
    query = delete(units).where(units.c.job == row["sequence"], ~units.c.done)
    if only_free_at is not None:
        query = query.where(units.c.until.is_(None) | (units.c.until <= only_free_at))
    connection.execute(query)

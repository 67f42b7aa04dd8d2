"""Units of work: given out until a time, taken back, done once. Each function is a part of a transaction.

A lease ends when its time runs out, even if nobody else has taken the unit: whoever comes after that is told that it
lost it. A unit that is never done takes its workers with it, maybe, so it fails its job after `_MOST_ATTEMPTS`. One
that is given back by somebody who is well was not attempted, unless he says so.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, case, func, insert, or_, select, true, update

from ..types import Chunk, DoneChunk, Lease
from .jobs import as_job, change, end, end_if_cancelled, locked, overdue
from .tables import KINDS, RANKS, jobs, units

_MOST_ATTEMPTS = 25
_PLAN, _ANSWER, _FINISH = RANKS["plan"], RANKS["answer"], RANKS["finish"]


def look(
    connection: Connection, now: float, bundle: str | None, job_id: str | None, look_ahead: int
) -> tuple[list[str], str | None]:
    """Ids of the jobs that have to end first, and of the oldest one that has a unit to give out."""
    free = select(units.c.number).where(units.c.job == jobs.c.sequence, _free(now), _due(look_ahead))
    # Neither EXISTS here nor OR in `_due`: PostgreSQL collected all open units then, rather than the first of an index.
    first = free.order_by(units.c.rank, units.c.number).limit(1).scalar_subquery()
    in_time = or_(jobs.c.expires_at.is_(None), jobs.c.expires_at > now)
    query = select(jobs.c.id).where(
        jobs.c.ended_at.is_(None), jobs.c.state != "cancelling", in_time, first.is_not(None)
    )
    if bundle is not None:
        query = query.where(jobs.c.bundle == bundle)
    if job_id is not None:
        query = query.where(jobs.c.id == job_id)
    return overdue(connection, now), connection.execute(query.order_by(jobs.c.sequence).limit(1)).scalar()


def lease_unit(
    connection: Connection, again: bool, token: str, job_id: str, worker: str, now: float, until: float, look_ahead: int
) -> Lease | None:
    """Give out the next unit of a job; None if others were faster, or its attempts are used up and the job failed."""
    row = locked(connection, job_id)
    if row is None or row["ended_at"] is not None or row["state"] == "cancelling":
        return None
    query = select(units).where(_of(row), ~units.c.done)
    if again:  # otherwise the worker would go on extending a lease of which it knows nothing
        given = connection.execute(query.where(units.c.token == token)).mappings().one_or_none()
        if given is not None:
            return _as_lease(row, given, token, given["attempts"])
    query = query.where(_free(now), _due_now(row, look_ahead)).order_by(units.c.rank, units.c.number).limit(1)
    unit = connection.execute(query).mappings().one_or_none()
    if unit is None:
        return None
    if unit["attempts"] >= _MOST_ATTEMPTS:
        why = f"the last time: {unit['trouble']}" if unit["trouble"] else "its workers may have died of it"
        error = f"{_described(unit)} was begun {_MOST_ATTEMPTS} times and never done; {why}"
        end(connection, row, "failed", now, error=error)
        return None
    attempt = unit["attempts"] + 1
    mine = and_(_of(row), units.c.rank == unit["rank"], units.c.number == unit["number"])
    values = {"worker": worker, "token": token, "until": until, "attempts": attempt, "trouble": ""}
    connection.execute(update(units).where(mine).values(values))
    begun: dict[str, Any] = {}
    if row["state"] == "queued":
        begun = {"state": "running", "started_at": now}
        change(connection, row, **begun)
    return _as_lease(row, unit, token, attempt, **begun)


def extend(connection: Connection, worker: str, now: float, until: float) -> None:
    """Let the leases that a worker still has run out later."""
    mine = and_(units.c.worker == worker, units.c.until > now)
    connection.execute(update(units).where(mine).values(until=until))


def holds(connection: Connection, lease: Lease, now: float) -> bool:
    """Whether it would count, were the unit said to be done now; answers to a cancelled job do as long as it waits."""
    query = select(jobs.c.state).join(units).where(jobs.c.id == lease.job.id, _leased(lease, now))
    state = connection.execute(query).scalar()
    return state is not None and (state != "cancelling" or lease.kind == "answer")


def release(connection: Connection, lease: Lease, trouble: str, counts: bool, now: float) -> None:
    """Give a unit back, unless it was lost."""
    row = locked(connection, lease.job.id)
    if row is not None:
        _take_back(connection, row, _leased(lease, now), counts=counts, trouble=trouble)
        _end_if_waiting(connection, row, now)


def leases_of(connection: Connection, worker: str) -> list[str]:
    """Ids of the jobs of which a worker has units."""
    query = select(jobs.c.id).join(units).where(units.c.worker == worker, units.c.until.is_not(None)).distinct()
    return list(connection.execute(query).scalars())


def release_job(connection: Connection, job_id: str, worker: str | None, counts: bool, now: float) -> None:
    """Give back all units of a job that a worker has; None: that anybody has."""
    row = locked(connection, job_id)
    if row is not None:
        whose = true() if worker is None else units.c.worker == worker
        _take_back(connection, row, and_(whose, units.c.until.is_not(None)), counts=counts)
        _end_if_waiting(connection, row, now)


def add_chunks(
    connection: Connection, again: bool, lease: Lease, chunks: Sequence[Chunk], done: bool, now: float
) -> bool:
    """Plan more of a job, and maybe say that this is all; False if the lease was lost, or the job is being cancelled.

    Raises:
        ValueError: the chunks do not go on where those before ended.
    """
    row, held = _held(connection, lease, now)
    if row is None:
        return False
    if again and chunks and row["num_chunks"] == chunks[-1].number + 1 and _has_token(connection, row, lease):
        return True
    if again and done and row["all_planned"]:
        return _has_token(connection, row, lease)
    if not held or row["state"] == "cancelling":
        return _refuse(connection, row, lease, now)
    number, first = row["num_chunks"], row["num_planned"]
    for chunk in chunks:
        if (chunk.number, chunk.first) != (number, first) or chunk.count < 1:
            raise ValueError(f"chunk {number} has to begin with record {first}, and to have one; got {chunk}")
        number, first = number + 1, first + chunk.count
    if chunks:
        values = [
            {
                "job": row["sequence"],
                "rank": _ANSWER,
                "number": chunk.number,
                "first": chunk.first,
                "count": chunk.count,
                "input": chunk.input,
            }
            for chunk in chunks
        ]
        connection.execute(insert(units), values)
        # It got further, so it may be tried as often again.
        connection.execute(update(units).where(_leased(lease, now), _of(row)).values(attempts=0))
    num_open = row["num_open"] + len(chunks)
    change(connection, row, num_chunks=number, num_planned=first, num_open=num_open)
    if done:
        connection.execute(update(units).where(_leased(lease, now), _of(row)).values(**_DONE))
        state = "finishing" if num_open == 0 else row["state"]
        change(connection, row, all_planned=True, state=state)
    return True


def complete(
    connection: Connection, again: bool, lease: Lease, chunk: DoneChunk, most_bad: int | None, now: float
) -> bool:
    """Keep the answers of a chunk, and count them; False if the lease was lost, or they are there already.

    Raises:
        ValueError: they are not those of the leased chunk, or their counts do not add up.
    """
    if lease.chunk is None or (chunk.number, chunk.count) != (lease.chunk.number, lease.chunk.count):
        raise ValueError(f"{chunk} is not what was leased: {lease.chunk}")
    if chunk.num_answered + chunk.num_bad != chunk.count:
        raise ValueError(f"answered and bad records have to be all {chunk.count}, not those of {chunk}")
    row, held = _held(connection, lease, now)
    if row is None:
        return False
    if not held:
        return again and _has_token(connection, row, lease)
    values = {
        "output": chunk.output,
        "errors": chunk.errors,
        "num_answered": chunk.num_answered,
        "num_bad": chunk.num_bad,
        "seconds": chunk.seconds,
    }
    connection.execute(update(units).where(_leased(lease, now), _of(row)).values(**_DONE, **values))
    num_open, num_bad = row["num_open"] - 1, row["num_bad"] + chunk.num_bad
    all_done = row["all_planned"] and num_open == 0 and row["state"] == "running"
    change(
        connection,
        row,
        num_open=num_open,
        num_answered=row["num_answered"] + chunk.num_answered,
        num_bad=num_bad,
        state="finishing" if all_done else row["state"],
    )
    if most_bad is not None and num_bad > most_bad and row["state"] != "cancelling":
        error = f"{num_bad} records could not be answered; at most {most_bad} may not be"
        end(connection, row, "failed", now, error=error)
    _end_if_waiting(connection, row, now)
    return True


def finish(connection: Connection, again: bool, lease: Lease, result: Mapping[str, Any], now: float) -> bool:
    """End a job with its result; False if the lease was lost, or the job is being cancelled."""
    row, held = _held(connection, lease, now)
    if row is None:
        return False
    if again and row["state"] == "done":
        return bool(row["result"] == dict(result))
    if not held or row["state"] == "cancelling":
        return _refuse(connection, row, lease, now)
    end(connection, row, "done", now, result=dict(result))
    return True


def fail(connection: Connection, again: bool, lease: Lease, error: str, now: float) -> bool:
    """End a job because of an error; False if the lease was lost, or the job is being cancelled."""
    row, held = _held(connection, lease, now)
    if row is None:
        return False
    if again and row["state"] == "failed":
        return bool(row["error"] == error)
    if not held or row["state"] == "cancelling":
        return _refuse(connection, row, lease, now)
    end(connection, row, "failed", now, error=error)
    return True


_DONE: dict[str, Any] = {"done": True, "worker": None, "until": None}


def _held(connection: Connection, lease: Lease, now: float) -> tuple[RowMapping | None, bool]:
    row = locked(connection, lease.job.id)
    if row is None:
        return None, False
    query = select(func.count()).select_from(units).where(_of(row), _leased(lease, now))
    return row, connection.execute(query).scalar() == 1


def _has_token(connection: Connection, row: RowMapping, lease: Lease) -> bool:
    query = select(func.count()).select_from(units).where(_of(row), _unit(lease), units.c.token == lease.token)
    return connection.execute(query).scalar() == 1


def _refuse(connection: Connection, row: RowMapping, lease: Lease, now: float) -> bool:
    _take_back(connection, row, _leased(lease, now), counts=True)
    _end_if_waiting(connection, row, now)
    return False


def _take_back(
    connection: Connection, row: RowMapping, which: ColumnElement[bool], *, counts: bool, trouble: str = ""
) -> None:
    values: dict[str, Any] = {"worker": None, "token": None, "until": None, "trouble": trouble}
    if not counts:
        values["attempts"] = case((units.c.attempts > 0, units.c.attempts - 1), else_=0)  # 0 if it got further
    connection.execute(update(units).where(_of(row), ~units.c.done, which).values(values))


def _end_if_waiting(connection: Connection, row: RowMapping, now: float) -> None:
    if row["state"] == "cancelling":
        end_if_cancelled(connection, row, now)


def _of(row: RowMapping) -> ColumnElement[bool]:
    job: int = row["sequence"]
    return units.c.job == job


def _unit(lease: Lease) -> ColumnElement[bool]:
    number = lease.chunk.number if lease.chunk is not None else 0
    return and_(units.c.rank == RANKS[lease.kind], units.c.number == number)


def _leased(lease: Lease, now: float) -> ColumnElement[bool]:
    return and_(_unit(lease), ~units.c.done, units.c.token == lease.token, units.c.until > now)


def _free(now: float) -> ColumnElement[bool]:
    return and_(~units.c.done, or_(units.c.until.is_(None), units.c.until <= now))


def _due(look_ahead: int) -> ColumnElement[bool]:
    """Whether it is a unit's turn, by the columns of its job."""
    return case(
        (units.c.rank == _PLAN, jobs.c.num_open < look_ahead),
        (units.c.rank == _FINISH, and_(jobs.c.all_planned, jobs.c.num_open == 0)),
        else_=true(),
    )


def _due_now(row: RowMapping, look_ahead: int) -> ColumnElement[bool]:
    """As `_due`, of a job whose lock is held."""
    ranks = [_ANSWER]
    if row["num_open"] < look_ahead:
        ranks.append(_PLAN)
    if row["all_planned"] and row["num_open"] == 0:
        ranks.append(_FINISH)
    return units.c.rank.in_(ranks)


def _as_lease(row: RowMapping, unit: RowMapping, token: str, attempt: int, **changed: Any) -> Lease:
    kind = KINDS[unit["rank"]]
    chunk = Chunk(unit["number"], unit["first"], unit["count"], unit["input"]) if kind == "answer" else None
    return Lease(as_job(row, **changed), kind, token, attempt, chunk, row["num_chunks"], row["num_planned"])


def _described(unit: RowMapping) -> str:
    match KINDS[unit["rank"]]:
        case "plan":
            return "reading the input"
        case "answer":
            last = unit["first"] + unit["count"]
            return f"chunk {unit['number']} (records {unit['first'] + 1} to {last} of the input)"
        case "finish":
            return "putting the output together"

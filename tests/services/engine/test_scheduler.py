"""What is cut from the queue."""

from rondo_models.decoding.parameters import BeamParameters, SamplingParameters
from rondo_services.engine.requests import Classify, Generate, Search, Ticket, Work
from rondo_services.engine.scheduler import BatchRoom, Limits, Scheduler, group_by_length
from rondo_services.errors import Cancelled, RondoError, TimedOut


def _ticket(length: int, *, deadline: float | None = None, beam: int = 0, batch: bool = False) -> Ticket:
    ids = (4,) * length
    work: Work = Classify("sentiment", ids)
    if beam:
        work = Search("translation", ids, 2, BeamParameters(beam_size=beam))
    return Ticket(work, deadline=deadline, priority="batch" if batch else "interactive")


def _cut(scheduler: Scheduler, rows: int = 100, now: float = 0.0) -> tuple[list[Ticket], list[RondoError]]:
    dropped: list[RondoError] = []
    return scheduler.cut(now, rows, scheduler.limits.tokens_per_cut, lambda _, error: dropped.append(error)), dropped


def test_a_cut_takes_the_oldest_up_to_the_budget() -> None:
    scheduler = Scheduler(Limits(tokens_per_cut=10))
    tickets = [_ticket(length) for length in (4, 5, 3, 1)]
    for ticket in tickets:
        scheduler.add([ticket])
    assert _cut(scheduler)[0] == tickets[:2]
    assert _cut(scheduler)[0] == tickets[2:]
    assert len(scheduler) == scheduler.waiting_tokens == 0


def test_a_request_longer_than_the_budget_goes_alone() -> None:
    scheduler = Scheduler(Limits(tokens_per_cut=10))
    for length in (50, 2):
        scheduler.add([_ticket(length)])
    assert [t.num_tokens for t in _cut(scheduler)[0]] == [50]
    assert [t.num_tokens for t in _cut(scheduler)[0]] == [2]


def test_hypotheses_wait_for_free_rows() -> None:
    scheduler = Scheduler(Limits())
    for _ in range(3):
        scheduler.add([_ticket(2, beam=4)])
    assert len(_cut(scheduler, rows=9)[0]) == 2
    assert len(_cut(scheduler, rows=3)[0]) == 0
    assert len(_cut(scheduler, rows=4)[0]) == 1


def test_what_needs_no_rows_passes_what_waits_for_some() -> None:
    """One translation that waited for rows held up sentiment for up to a minute."""
    scheduler = Scheduler(Limits(chunk_tokens=8))
    tickets = [_ticket(2, beam=4), _ticket(2), _ticket(2, beam=1), _ticket(20), _ticket(20, beam=4), _ticket(3)]
    for ticket in tickets:
        scheduler.add([ticket])
    assert _cut(scheduler, rows=3)[0] == [tickets[1], tickets[3], tickets[5]]
    assert _cut(scheduler, rows=9)[0] == [tickets[0], tickets[2], tickets[4]]
    assert len(scheduler) == scheduler.waiting_tokens == 0


def test_nothing_that_needs_fewer_rows_passes_what_waits_for_some() -> None:
    scheduler = Scheduler(Limits(chunk_tokens=8))
    wide = _ticket(2, beam=6)
    scheduler.add([wide])
    for _ in range(3):
        scheduler.add([_ticket(20, beam=4), _ticket(2, beam=1)])
        assert _cut(scheduler, rows=4)[0] == []
    assert _cut(scheduler, rows=6)[0] == [wide]


def test_a_long_text_that_may_not_be_taken_is_worth_no_cut() -> None:
    scheduler, room = Scheduler(Limits(chunk_tokens=8)), BatchRoom(0, 8)
    long, short = _ticket(9), _ticket(2)
    long.queued_at, short.queued_at = 0.0, 1.0
    scheduler.add([long, short])

    def is_worth_it(takes_long: bool) -> bool:
        return scheduler.is_worth_a_cut(1.001, room, only_batch_runs=False, takes_long=takes_long)

    assert is_worth_it(True)
    assert not is_worth_it(False)


def test_long_texts_wait_while_enough_are_being_read() -> None:
    scheduler = Scheduler(Limits(chunk_tokens=8))
    tickets = [_ticket(9), _ticket(8), _ticket(9, beam=2)]
    scheduler.add(tickets)
    assert scheduler.cut(0.0, 9, 100, lambda *_: None, takes_long=False) == [tickets[1]]
    assert _cut(scheduler)[0] == [tickets[0], tickets[2]]


def test_expired_and_cancelled_requests_cost_nothing() -> None:
    scheduler = Scheduler(Limits(tokens_per_cut=10))
    tickets = [_ticket(10, deadline=5.0), _ticket(10), _ticket(10, deadline=50.0)]
    for ticket in tickets:
        scheduler.add([ticket])
    tickets[1].cancel()
    taken, dropped = _cut(scheduler, now=6.0)
    assert taken == [tickets[2]]
    assert [type(error) for error in dropped] == [TimedOut, Cancelled]


def test_batch_work_lets_interactive_requests_go_first_but_not_for_ever() -> None:
    scheduler = Scheduler(Limits(tokens_per_cut=4, batch_delay_s=2.0))
    arrivals = [("batch", 0.0), ("interactive", 1.0), ("interactive", 1.9), ("batch", 1.0), ("interactive", 2.5)]
    for priority, arrival in arrivals:
        ticket = _ticket(4, batch=priority == "batch")
        ticket.queued_at = arrival
        scheduler.add([ticket])
    turns = [_cut(scheduler)[0][0] for _ in arrivals]
    assert [ticket.queued_at for ticket in turns] == [1.0, 1.9, 0.0, 2.5, 1.0]


def test_groups_are_of_like_length_and_lose_nobody() -> None:
    tickets = [_ticket(length) for length in (3, 100, 4, 98) * 8]
    groups = group_by_length(tickets, 0.05, 16)
    assert sorted(t.number for group in groups for t in group) == sorted(t.number for t in tickets)
    assert [{t.num_tokens for t in group} for group in groups] == [{98, 100}, {3, 4}]


def test_few_are_not_worth_a_group_of_their_own() -> None:
    tickets = [_ticket(length) for length in (3, 100, 4, 98) * 8]
    assert [len(group) for group in group_by_length(tickets, 0.05, 24)] == [24, 8]
    assert [len(group) for group in group_by_length(tickets, 0.05, 32)] == [32]


def test_a_ticket_ends_exactly_once() -> None:
    ticket = Ticket(Generate("generation", (2,), SamplingParameters()))
    assert ticket.finish((1.0,))
    assert not ticket.finish((0.0,))
    assert not ticket.fail(TimedOut("late"))
    assert ticket.future.result() == (1.0,)

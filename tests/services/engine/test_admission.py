"""What an engine refuses."""

import pytest

from rondo_models.decoding.parameters import BeamParameters
from rondo_services.engine.admission import Entrance, Queue
from rondo_services.engine.requests import Classify, Search, Ticket, Work
from rondo_services.engine.scheduler import Limits
from rondo_services.errors import InvalidInput, Overloaded

LIMITS = Limits(max_waiting=2, max_waiting_tokens=30, max_rows=16)


def _entrance(refused: list[int]) -> Entrance:
    return Entrance(["sentiment"], 10, LIMITS, refused.append)


def _tickets(*lengths: int) -> list[Ticket]:
    return [Ticket(Classify("sentiment", (4,) * length)) for length in lengths]


def _refused(lengths: list[int], queue: Queue) -> Overloaded | None:
    counts: list[int] = []
    try:
        _entrance(counts).admit(_tickets(*lengths), queue)
    except Overloaded as error:
        assert counts == [len(lengths)]
        return error
    assert not counts
    return None


@pytest.mark.parametrize(
    ("lengths", "waiting", "tokens", "fits"),
    [
        ([99], 0, 0, True),  # a single request may be of any length if none waits
        ([20, 11], 0, 0, False),
        ([11], 1, 20, False),
        ([10], 1, 20, True),
        ([1], 2, 2, False),
    ],
)
def test_there_is_room_up_to_both_limits(lengths: list[int], waiting: int, tokens: int, fits: bool) -> None:
    assert (_refused(lengths, Queue(waiting, tokens, 0.0)) is None) == fits


@pytest.mark.parametrize(("pace", "seconds"), [(0.0, 1), (100.0, 1), (0.5, 4), (0.001, 60)])
def test_the_pace_says_when_to_come_back(pace: float, seconds: int) -> None:
    error = _refused([1], Queue(2, 2, pace))
    assert error is not None
    assert error.retry_after_s == seconds


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (Classify("parsing", (4,)), "no head 'parsing'; there are sentiment"),
        (Classify("sentiment", ()), "needs ids"),
        (Classify("sentiment", (4, 10)), "in the vocabulary"),
        (Classify("sentiment", (-1,)), "in the vocabulary"),
        (Search("sentiment", (4,), 2, BeamParameters(beam_size=17)), "at most 16 hypotheses"),
        (Search("sentiment", (4,), 2, BeamParameters(avoid="runes")), "'runes' can't be avoided"),
    ],
)
def test_what_can_never_be_answered(work: Work, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        _entrance([]).check([work])


def test_kept_places_are_taken_until_they_are_given_back() -> None:
    refused: list[int] = []
    entrance, empty = _entrance(refused), Queue(0, 0, 0.0)
    with entrance.places(1, empty):
        with entrance.places(1, empty):
            with pytest.raises(Overloaded), entrance.places(1, empty):
                pass
            with pytest.raises(Overloaded):
                entrance.admit(_tickets(1), empty)
        entrance.admit(_tickets(1), empty)
    entrance.admit(_tickets(1, 1), empty)
    assert refused == [1, 1]


def test_no_place_is_kept_while_too_many_tokens_wait() -> None:
    with pytest.raises(Overloaded), _entrance([]).places(1, Queue(1, 31, 0.0)):
        pass

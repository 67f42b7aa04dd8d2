"""What the server's and the engine's processes say to each other: msgpack values, one after another on a socket.

To the engine:    [SUBMIT, [work, ...]]    [CANCEL, [number, ...]]    [PING]
From the engine:  [READY, precision, is_batch_invariant]    [FAILED_TO_START, message]    [PONG]
                  [TICK, report], once a tick: what was written and what ended, and how long it took

Times are seconds of the monotonic clock, which all processes of a machine share.
"""

from array import array
from dataclasses import astuple, dataclass, field
from typing import Any

from rondo_models.decoding.parameters import BeamParameters, Hypothesis, SamplingParameters, TokenScore

from ..errors import Cancelled, EngineFailed, Overloaded, RondoError, TimedOut
from .requests import (
    Channel,
    Classify,
    Explain,
    Explained,
    Generate,
    Generated,
    Likelihood,
    Likelihoods,
    Priority,
    Result,
    Score,
    Scored,
    Search,
    Tag,
    Tagged,
    Ticket,
    Work,
)

SUBMIT, CANCEL, PING, READY, FAILED_TO_START, PONG, TICK = range(7)

_CLASSIFY, _SCORE, _SEARCH, _LIKELIHOOD, _GENERATE, _EXPLAIN, _TAG = range(7)
_ERRORS: dict[str, type[RondoError]] = {error.code: error for error in (TimedOut, Cancelled, EngineFailed)}


@dataclass(slots=True)
class TickReport:
    """What happened since the report before.

    Attributes:
        received, received_tokens: requests and their tokens that ever came.
        waiting, waiting_tokens: requests in the queue now, and their tokens.
        rows: sequences being written now.
        cached_prompts, cached_tokens: that did not have to be read again.
        encode_s, decode_s: seconds spent.
        encoded: requests and tokens of each product that read.
        tokens: number and id, in the order of writing, where the asker listens.
        scored_tokens: number and score, instead, where scores are kept.
        finished: number, time at which its turn came, and result.
        failed: number, and values of the error.
    """

    received: int = 0
    received_tokens: int = 0
    waiting: int = 0
    waiting_tokens: int = 0
    rows: int = 0
    cached_prompts: int = 0
    cached_tokens: int = 0
    encode_s: float = 0.0
    decode_s: float = 0.0
    encoded: list[tuple[int, int]] = field(default_factory=list)
    tokens: list[tuple[int, int]] = field(default_factory=list)
    scored_tokens: list[tuple[int, Any]] = field(default_factory=list)
    finished: list[tuple[int, float, Any]] = field(default_factory=list)
    failed: list[tuple[int, list[Any]]] = field(default_factory=list)

    def values(self) -> list[Any]:
        """Plain values, for `TickReport(*values)` on the other side."""
        return [getattr(self, name) for name in self.__slots__]


def work_values(ticket: Ticket) -> list[Any]:
    """Plain values of a request."""
    work = ticket.work
    own: list[Any]
    match work:
        case Classify():
            kind, own = _CLASSIFY, []
        case Tag():
            kind, own = _TAG, [work.sizes]
        case Explain():
            kind, own = _EXPLAIN, []
        case Score():
            kind, own = _SCORE, [work.num_kept, work.state]
        case Search():
            channel = None if work.channel is None else astuple(work.channel)
            kind, own = _SEARCH, [work.first_id, astuple(work.parameters), channel, work.return_attention]
        case Likelihood():
            kind, own = _LIKELIHOOD, [work.num_likeliest]
        case Generate():
            kind, own = _GENERATE, [astuple(work.parameters), work.state, work.return_state]
    listens = ticket.on_token is not None
    return [ticket.number, ticket.queued_at, ticket.deadline, ticket.priority, listens, kind, work.head, work.ids, own]


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it comes out of the socket."""

    number: int
    queued_at: float
    deadline: float | None
    priority: Priority
    listens: bool
    work: Work


def received_work(values: list[Any]) -> Received:
    """The request that `work_values` took apart."""
    number, queued_at, deadline, priority, listens, kind, head, ids, own = values
    work: Work
    if kind == _CLASSIFY:
        work = Classify(head, tuple(ids))
    elif kind == _TAG:
        work = Tag(head, tuple(ids), tuple(own[0]))
    elif kind == _EXPLAIN:
        work = Explain(head, tuple(ids))
    elif kind == _SCORE:
        work = Score(head, tuple(ids), own[0], own[1])
    elif kind == _SEARCH:
        channel = None if own[2] is None else Channel(*own[2])
        work = Search(head, tuple(ids), own[0], _beam_parameters(own[1]), channel, own[3])
    elif kind == _LIKELIHOOD:
        work = Likelihood(head, tuple(ids), own[0])
    else:
        work = Generate(head, tuple(ids), _sampling_parameters(own[0]), own[1], own[2])
    return Received(number, queued_at, deadline, priority, listens, work)


def result_values(result: Result) -> Any:
    """Plain values of an answer."""
    if isinstance(result, Generated):
        scores = None if result.scores is None else list(map(score_values, result.scores))
        return [result.ids.tobytes(), result.finish_reason, result.state, scores]
    if isinstance(result, Likelihoods):
        return list(map(score_values, result.scores))
    if isinstance(result, Tagged):
        return result.probabilities
    if isinstance(result, Explained):
        return [result.probabilities, result.saliency]
    if isinstance(result, Scored):
        return [result.probabilities, result.state]
    if isinstance(result, list):
        return [[h.ids, h.score, h.log_probability, h.finish_reason, h.attention] for h in result]
    return result


def received_result(work: Work, values: Any) -> Result:
    """The answer that `result_values` took apart; `work` says of which kind it is."""
    if isinstance(work, Generate):
        ids, finish_reason, state, scores = values
        told = None if scores is None else tuple(map(received_score, scores))
        return Generated(array("i", ids), finish_reason, state, told)
    if isinstance(work, Likelihood):
        return Likelihoods(tuple(map(received_score, values)))
    if isinstance(work, Tag):
        return Tagged(tuple(map(tuple, values)))
    if isinstance(work, Explain):
        return Explained(*map(tuple, values))
    if isinstance(work, Score):
        return Scored(tuple(values[0]), values[1])
    if isinstance(work, Search):
        return [_hypothesis(*own) for own in values]
    return tuple(values)


def score_values(score: TokenScore) -> list[Any]:
    """Plain values of a token's score."""
    return [score.id, score.log_probability, score.likeliest]


def received_score(values: list[Any]) -> TokenScore:
    """The score that `score_values` took apart."""
    identifier, log_probability, likeliest = values
    return TokenScore(identifier, log_probability, tuple(map(tuple, likeliest)))


def _sampling_parameters(values: list[Any]) -> SamplingParameters:
    *others, logit_bias, num_logprobs = values
    return SamplingParameters(*[*others, tuple(map(tuple, logit_bias)), num_logprobs])


def _beam_parameters(values: list[Any]) -> BeamParameters:
    *others, required, max_repeats, avoid = values
    phrases = tuple(tuple(map(tuple, phrase)) for phrase in required)
    return BeamParameters(*[*others, phrases, max_repeats, avoid])


def _hypothesis(
    ids: list[int], score: float, log_probability: float, finish_reason: str, attention: list[list[float]] | None
) -> Hypothesis:
    weights = None if attention is None else tuple(map(tuple, attention))
    return Hypothesis(tuple(ids), score, log_probability, finish_reason, weights)


def error_values(error: RondoError) -> list[Any]:
    """Plain values of an error."""
    return [error.code, error.message, error.retry_after_s if isinstance(error, Overloaded) else None]


def received_error(values: list[Any]) -> RondoError:
    """The error that `error_values` took apart."""
    code, message, retry_after_s = values
    if code == Overloaded.code:
        return Overloaded(message, retry_after_s=retry_after_s)
    return _ERRORS.get(code, EngineFailed)(message)

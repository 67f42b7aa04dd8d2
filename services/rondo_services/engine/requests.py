"""What the engine is asked for, and the ticket by which the answer comes back."""

import itertools
import time
from array import array
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, get_args

from rondo_models.decoding.parameters import BeamParameters, Hypothesis, SamplingParameters, TokenScore

from ..errors import Cancelled, RondoError, TimedOut

_numbers = itertools.count(1)

EXPLANATION_INTERVALS = 32
"""Into which the line from the baseline to a text is divided; the text is read at one point more."""


@dataclass(frozen=True, slots=True)
class Classify:
    """Probabilities of the head's labels for a text; `ids` end with the end symbol."""

    head: str
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tag:
    """Probabilities of the head's labels for each word of a text.

    Attributes:
        ids: the pieces of one word after another, and the end symbol.
        sizes: how many pieces each word has.
    """

    head: str
    ids: tuple[int, ...]
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Explain:
    """Probabilities of the head's labels for a text, and what each token has to do with the likeliest; `ids` end with
    the end symbol."""

    head: str
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """Probabilities of the head's labels for a text of which `state` has been read, and `ids` come now.

    Attributes:
        num_kept: of the `ids`, the first so many are kept in the new state; the others may still change.
        state: what an earlier `Scored` kept; None: nothing was read before.
    """

    head: str
    ids: tuple[int, ...]
    num_kept: int
    state: bytes | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """Choose also by the source's probability given the target; `first_id` says what the source is written in."""

    first_id: int
    weight: float


@dataclass(frozen=True, slots=True)
class Search:
    """The best targets for a source by beam search.

    Attributes:
        first_id: says what to write.
        return_attention: the hypotheses are to have their attention over `ids`.

    The answer is empty if no target with all that `parameters` require was found.
    """

    head: str
    ids: tuple[int, ...]
    first_id: int
    parameters: BeamParameters
    channel: Channel | None = None
    return_attention: bool = False


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The scores of all tokens of a text but the first, as a language model sees them.

    Attributes:
        ids: they begin with the start symbol.
        num_likeliest: tokens to tell of besides, in each place.
    """

    head: str
    ids: tuple[int, ...]
    num_likeliest: int = 0


@dataclass(frozen=True, slots=True)
class Generate:
    """Text that goes on from a prompt.

    Attributes:
        ids: they begin with the start symbol, or go on from `state`.
        state: what an earlier `Generated` kept; None: nothing was read before.
        return_state: keep the state after the written text.
    """

    head: str
    ids: tuple[int, ...]
    parameters: SamplingParameters
    state: bytes | None = None
    return_state: bool = False


Work = Classify | Tag | Explain | Score | Search | Likelihood | Generate
FinishReason = Literal["stop", "length"]
Priority = Literal["interactive", "batch"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)


@dataclass(frozen=True, slots=True)
class Generated:
    """Written ids and why the writing ended: "stop" or "length".

    Attributes:
        ids: an array: as a tuple, those of a long text would take ten times as much.
        state: if it was asked for; the last id has been written but not read: the end symbol after "stop", else
            the last of `ids`. To go on, it is to be read first.
        scores: one for each of `ids`, and after "stop" one for the end symbol too, if they were asked for.
    """

    ids: "array[int]"
    finish_reason: FinishReason
    state: bytes | None = None
    scores: tuple[TokenScore, ...] | None = None


@dataclass(frozen=True, slots=True)
class Explained:
    """Probabilities of the labels; and for each id, the end symbol's too, how much it raises the logit of the likeliest
    label over the mean of the others (`rondo_models.saliency`)."""

    probabilities: tuple[float, ...]
    saliency: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Tagged:
    """The answer to a Tag: for each word the probabilities of the labels."""

    probabilities: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """Probabilities of the labels, and the state of the text that was kept."""

    probabilities: tuple[float, ...]
    state: bytes


@dataclass(frozen=True, slots=True)
class Likelihoods:
    """The answer to a Likelihood: a score for each of its ids but the first."""

    scores: tuple[TokenScore, ...]


OnToken = Callable[[int, TokenScore | None], None]
"""Is told of an id, and of its score if scores are kept."""

Result = tuple[float, ...] | Tagged | Explained | Likelihoods | Scored | list[Hypothesis] | Generated


def num_tokens_of(work: Work) -> int:
    """Tokens to read; a text that is to be explained is read many times."""
    return len(work.ids) * (1 + EXPLANATION_INTERVALS if isinstance(work, Explain) else 1)


class TokenObserver(Protocol):
    """Is told of tokens that are handed out."""

    def wrote(self, ticket: "Ticket", gap_s: float, *, first: bool) -> None:
        """As `EngineObserver.wrote`."""


class Ticket:
    """A request in the engine. It ends exactly once: with a result, or with one of the errors.

    Attributes:
        number: unlike any other's in this process.
        num_tokens: to read.
        on_token: called on the engine's thread with each id that a Generate writes.
        deadline: second of the monotonic clock after which nobody waits; None: somebody always does.
        priority: a batch request lets interactive ones go first, but not for ever.
        queued_at, started_at, ended_at: seconds of the monotonic clock; 0 before they are.
        enough: the asker cancelled because it has what it wanted, not because it left.
        last_cancelling: of all tickets: another object after each of them that is cancelled.
    """

    last_cancelling: ClassVar[object] = object()

    def __init__(
        self,
        work: Work,
        *,
        deadline: float | None = None,
        priority: Priority = "interactive",
        on_token: OnToken | None = None,
    ) -> None:
        self.number = next(_numbers)
        self.work = work
        self.num_tokens = num_tokens_of(work)
        self.deadline = deadline
        self.priority = priority
        self.on_token = on_token
        self.queued_at = time.monotonic()
        self.started_at = 0.0
        self.ended_at = 0.0
        self._last_token_at = 0.0
        self.future: Future[Result] = Future()
        self.cancelled = False
        self.enough = False

    @property
    def is_to_classify(self) -> bool:
        """Whether the text is read only to be classified, for which less exact reading is enough."""
        return isinstance(self.work, Classify)

    @property
    def has_told(self) -> bool:
        """Whether its listener has got a token."""
        return self._last_token_at > 0.0

    def cancel(self) -> None:
        """Say that nobody waits any more; the engine drops the request at its next tick."""
        self.cancelled = True
        Ticket.last_cancelling = object()  # comes last, as another thread looks at it first

    def stop(self) -> None:
        """Say that what has been written is enough."""
        self.enough = True
        self.cancel()

    def wrote(self, identifier: int, score: TokenScore | None, observer: "TokenObserver") -> None:
        """Hand a token to the listener, if there is one."""
        if self.on_token is None:
            return
        now = time.monotonic()
        first = not self.has_told
        observer.wrote(self, now - (self.queued_at if first else self._last_token_at), first=first)
        self._last_token_at = now
        self.on_token(identifier, score)

    def finish(self, result: Result) -> bool:
        """Answer; False if it had ended before."""
        self.ended_at = time.monotonic()
        try:
            self.future.set_result(result)
        except InvalidStateError:
            return False
        return True

    def fail(self, error: RondoError) -> bool:
        """End with an error; False if it had ended before."""
        self.ended_at = time.monotonic()
        try:
            self.future.set_exception(error)
        except InvalidStateError:
            return False
        return True

    def expired_or_cancelled(self, now: float) -> RondoError | None:
        """Why the request needs no more work, if so."""
        if self.cancelled:
            return Cancelled("the client went away")
        if self.deadline is not None and now > self.deadline:
            return TimedOut("the deadline passed before the answer was ready")
        return None

"""Prompt → ids → written ids → text, in pieces."""

import codecs
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rondo_models.decoding.parameters import SamplingParameters, TokenScore
from rondo_tokenizers.normalization import compose
from rondo_tokenizers.vocabulary import Tokenizer

from ..engine.requests import Generate, Generated, Likelihood, Likelihoods
from ..errors import InvalidInput, MalformedState
from ..text import encode_text
from ..whole_numbers import whole_number
from .continuation import StateSealer
from .schema import GenerateRequest, GenerationResult, LikelyToken, TokenLogprob, Usage

_COLDEST = 1e-4
"""A score divided by a still lower temperature may be more than a float holds."""

_NARROWEST = 1e-6
"""The likeliest of less than a million tokens has more by itself, so that a smaller `top_p` leaves the same one. One
that a float can't tell from 0 would leave all."""


class TextPieces:
    """Turns ids, as they are written, into pieces of text.

    A piece never ends inside a character, nor shows the beginning of what may become a stop text. What has been
    handed out is not kept.

    Attributes:
        num_known: characters of the text as it is now, of which the last may still change.
        stopped: whether a stop text has come.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stops = stops
        self._num_ids = 0
        self._held_back = ""
        self._num_given = 0
        self.num_known = 0
        self.stopped = False

    def add(self, identifier: int) -> str:
        """Take one more id; the text that is now sure, possibly none."""
        if self.stopped:
            return ""
        self._num_ids += 1
        text = self._held_back + self._decoder.decode(self._tokenizer.spelling(identifier))
        return self._give(text, len(text) - self._withheld(text))

    def rest(self) -> str:
        """The text that was held back, once nothing more comes."""
        if self.stopped:
            return ""
        text = self._held_back + self._decoder.decode(b"", final=True)
        return self._give(text, len(text))

    @property
    def num_ids(self) -> int:
        """Ids taken."""
        return self._num_ids

    @property
    def num_given(self) -> int:
        """Characters handed out."""
        return self._num_given

    def _give(self, text: str, end: int) -> str:
        """What is handed out of `text`, which has not been, if it is sure up to `end`."""
        incomplete, _ = self._decoder.getstate()
        self.num_known = self._num_given + len(text) + bool(incomplete)
        found = [position for stop in self._stops if (position := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            end = min(found)
        piece, self._held_back = text[:end], text[end:]
        self._num_given += len(piece)
        return piece

    def _withheld(self, text: str) -> int:
        """How many of the last characters may become a stop text."""
        beginning = 0
        for stop in self._stops:
            for length in range(min(len(stop) - 1, len(text)), beginning, -1):
                if text.endswith(stop[:length]):
                    beginning = length
                    break
        return beginning


class GenerationService:
    """Goes on from prompts with one language model head."""

    def __init__(self, tokenizer: Tokenizer, head: str, languages: Sequence[str], sealer: StateSealer) -> None:
        self.tokenizer = tokenizer
        self.head = head
        self.languages = languages
        self._sealer = sealer

    def work(
        self, prompt: str | Sequence[int], request: GenerateRequest, index: int = 0, most_read: int | None = None
    ) -> Generate:
        """What the engine has to do for the prompt with number `index`; each has its own random numbers.

        Args:
            prompt: text, or ids without the start symbol.
            most_read: tokens of the prompt's end that are read; None: all of it is.

        Raises:
            InvalidInput: no Unicode text, or an id or a state that is none of ours, or several prompts for one state.
        """
        if request.state is not None and isinstance(request.prompt, list) and len(request.prompt) > 1:
            raise InvalidInput("a state goes on with one prompt, not with several", field="state")
        parameters = SamplingParameters(
            max_tokens=request.max_tokens,
            temperature=request.temperature if request.temperature >= _COLDEST else 0,
            top_k=request.top_k,
            top_p=max(request.top_p, _NARROWEST),
            min_p=request.min_p,
            repetition_penalty=request.repetition_penalty,
            frequency_penalty=request.frequency_penalty,
            presence_penalty=request.presence_penalty,
            seed=None if request.seed is None else (request.seed + index) % 2**64,  # -1 would draw what 1 does
            logit_bias=tuple(self._biases(request.logit_bias or {})),
            num_logprobs=request.logprobs,
        )
        if isinstance(prompt, str):
            text_ids = encode_text(self.tokenizer, prompt, continues=request.state is not None)
        else:
            text_ids = self._checked(prompt)
        if most_read is not None:
            text_ids = text_ids[-most_read:]
        if request.state is None:
            ids = (self.tokenizer.start_id, *text_ids)
            return Generate(self.head, ids, parameters, return_state=request.return_state)
        pending_id, state = self._sealer.open(request.state)
        return Generate(self.head, (pending_id, *text_ids), parameters, state, request.return_state)

    def knows(self, state: str) -> bool:
        """Whether a state comes from here."""
        try:
            self._sealer.open(state)
        except MalformedState:
            return False
        return True

    def likelihood(self, work: Generate, request: GenerateRequest) -> Likelihood:
        """What the engine has to do to score the prompt of `work`.

        Raises:
            InvalidInput: the prompt goes on from a state.
        """
        if work.state is not None:
            message = "prompt_logprobs: only of a whole prompt, not of one that goes on from a state"
            raise InvalidInput(message, field="prompt_logprobs")
        return Likelihood(work.head, work.ids, request.logprobs or 0)

    def _checked(self, ids: Sequence[int]) -> tuple[int, ...]:
        usable = range(self.tokenizer.size)
        never = self.tokenizer.never_written
        if strange := [identifier for identifier in ids if identifier not in usable or identifier in never]:
            raise InvalidInput(f"prompt: no text has the token {strange[0]}", field="prompt")
        return tuple(ids)

    def _biases(self, biases: Mapping[str, float]) -> Iterator[tuple[int, float]]:
        for key, bias in biases.items():
            token = whole_number(key)
            if token is None or key != str(token) or token >= self.tokenizer.size:
                message = f"logit_bias: {key!r} is no token; they are numbers from 0 to {self.tokenizer.size - 1}"
                raise InvalidInput(message, field="logit_bias")
            if bias > 0 and token in self.tokenizer.never_written:
                name = self.tokenizer.name(token)
                message = f"logit_bias: the token {key} ({name}) is never written; its bias can be 0 or less"
                raise InvalidInput(message, field="logit_bias")
            yield token, bias

    def told(self, scores: Iterable[TokenScore]) -> list[TokenLogprob]:
        """Scores of tokens as they are told."""
        return [
            TokenLogprob(
                id=score.id,
                token=self._shown(score.id),
                logprob=score.log_probability,
                top=[LikelyToken(id=one, token=self._shown(one), logprob=value) for one, value in score.likeliest],
            )
            for score in scores
        ]

    def _shown(self, identifier: int) -> str:
        """A token's text; the bytes of one that is a part of a character; the name of a control symbol."""
        spelling = self.tokenizer.spelling(identifier)
        if not spelling:
            return self.tokenizer.name(identifier)
        try:
            return spelling.decode("utf-8")
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{value:02x}" for value in spelling)

    def sealed_state(self, answer: Generated) -> str | None:
        """The state for the client, if one was asked for."""
        if answer.state is None:
            return None
        pending_id = self.tokenizer.end_id if answer.finish_reason == "stop" else answer.ids[-1]
        return self._sealer.seal(pending_id, answer.state)

    def pieces(self, request: GenerateRequest) -> TextPieces:
        """An empty text that honours the request's stops; they are composed as all text is that the model has read."""
        stop = request.stop
        stops = [] if stop is None else [stop] if isinstance(stop, str) else stop
        return TextPieces(self.tokenizer, [compose(own) for own in stops])

    def result(self, work: Generate, answer: Generated, read: Likelihoods | None = None) -> GenerationResult:
        """The reply from the engine's answer, when there is no stop text to look for; `read` has the prompt's."""
        return GenerationResult(
            text=self.tokenizer.decode_continuation(answer.ids),
            finish_reason=answer.finish_reason,
            usage=self.usage(work, len(answer.ids)),
            state=self.sealed_state(answer),
            logprobs=None if answer.scores is None else self.told(answer.scores),
            prompt_logprobs=None if read is None else self.told(read.scores),
        )

    def usage(self, work: Generate, num_written: int) -> Usage:
        """Token counts; the start symbol, or the id that a state brings, is not the user's."""
        prompt = len(work.ids) - 1
        return Usage(prompt_tokens=prompt, completion_tokens=num_written, total_tokens=prompt + num_written)

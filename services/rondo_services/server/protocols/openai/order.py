"""What a completion request asks of the generation service; checks what no single parameter shows."""

from collections.abc import Sequence
from dataclasses import dataclass

from ....engine.scheduler import Limits
from ....errors import InvalidInput
from ....generation.schema import GenerateRequest
from .schema import CompletionRequest

_MAX_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Order:
    """A request in the service's terms.

    Attributes:
        prompts: each once, as text or ids; what is written after the start symbol, which they are without.
        named_starts: whether each came with the start symbol.
        num_choices: wanted of each prompt.
        num_candidates: to write for each prompt.
        native: how to write them; it has no prompt.
        echo: begin each text with its prompt.
        writes: whether what is written is wanted at all.
        tells: log-probabilities.
    """

    prompts: Sequence[str | list[int]]
    named_starts: Sequence[bool]
    num_choices: int
    num_candidates: int
    native: GenerateRequest
    echo: bool
    writes: bool
    tells: bool

    @property
    def repeated_prompts(self) -> list[str | list[int]]:
        """One for each candidate, those of the first prompt first."""
        return [prompt for prompt in self.prompts for _ in range(self.num_candidates)]


def order_of(request: CompletionRequest, limits: Limits, start_id: int) -> Order:
    """What is asked for, checked.

    Args:
        start_id: of the symbol that ids may begin with.

    Raises:
        InvalidInput: parameters contradict each other, or it is more than the queue holds if it is empty.
    """
    prompts = _prompts(request.prompt)
    num_choices = request.n or 1
    num_candidates = num_choices if request.best_of is None else request.best_of
    max_tokens = _MAX_TOKENS if request.max_tokens is None else request.max_tokens
    if num_candidates < num_choices:
        raise InvalidInput(f"best_of: {num_candidates}, but n is {num_choices}; at least as many", field="best_of")
    if request.stream and num_candidates > num_choices:
        raise InvalidInput("best_of: what is to be chosen from can't be streamed; only as many as n", field="best_of")
    if request.stream_options is not None and not request.stream:
        raise InvalidInput("stream_options: only with stream", field="stream_options")
    if not max_tokens and not request.echo:
        raise InvalidInput("max_tokens: 0 only with echo; at least 1", field="max_tokens")
    if (count := len(prompts) * num_candidates) > limits.max_waiting:
        raise InvalidInput(
            f"{len(prompts)} prompts with {num_candidates} texts each are {count} texts; at most {limits.max_waiting}",
            field="prompt" if num_candidates == 1 else "n" if num_candidates == num_choices else "best_of",
        )
    named_starts = [isinstance(prompt, list) and prompt[:1] == [start_id] for prompt in prompts]
    return Order(
        [prompt[1:] if named else prompt for prompt, named in zip(prompts, named_starts, strict=True)],
        named_starts,
        num_choices,
        num_candidates,
        _native(request, max_tokens, chooses=num_candidates > num_choices),
        echo=bool(request.echo),
        writes=max_tokens > 0,
        tells=request.logprobs is not None,
    )


def _prompts(prompt: str | list[str] | list[int] | list[list[int]] | None) -> list[str | list[int]]:
    if prompt is None or isinstance(prompt, str):
        return [prompt or ""]
    ids = [part for part in prompt if isinstance(part, int)]
    return [ids] if ids else [part for part in prompt if not isinstance(part, int)]


def _native(request: CompletionRequest, max_tokens: int, *, chooses: bool) -> GenerateRequest:
    return GenerateRequest(
        prompt="",
        max_tokens=max_tokens or 1,
        temperature=1 if request.temperature is None else request.temperature,
        top_k=1 if request.top_p == 0 else 0,
        top_p=request.top_p or 1,
        frequency_penalty=request.frequency_penalty or 0,
        presence_penalty=request.presence_penalty or 0,
        seed=request.seed,
        stop=request.stop if max_tokens else None,
        stream=bool(request.stream),
        logprobs=0 if request.logprobs is None and chooses else request.logprobs,
        prompt_logprobs=bool(request.echo) and request.logprobs is not None,
        logit_bias=request.logit_bias,
    )

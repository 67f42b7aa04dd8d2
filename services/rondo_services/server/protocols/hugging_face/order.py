"""What a text-generation request asks of the generation service; checks what no single parameter shows."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from ....errors import InvalidInput
from ....generation.schema import GenerateRequest
from ....schema import as_list
from ..native import native
from .generation_schema import GenerationParameters, GenerationRequest

_MAX_NEW_TOKENS = 100


@dataclass(frozen=True, slots=True)
class Order:
    """A request in the service's terms.

    Attributes:
        prompts: each as often as there are candidates to choose from.
        most_read: tokens of a prompt's end that are read; None: all of it is.
        native: how to write; it has no prompt.
        beginnings: what each text begins with in the reply.
        num_candidates: to write for each prompt.
        tells: whether details are asked for.
        num_top: so many of the likeliest tokens are told of.
    """

    prompts: Sequence[str]
    most_read: int | None
    native: GenerateRequest
    beginnings: Sequence[str]
    num_candidates: int
    tells: bool
    num_top: int

    def seed_of(self, number: int) -> int | None:
        """With which the text with this number is drawn; None if none is drawn."""
        if self.native.seed is None or not self.native.temperature:
            return None
        return self.native.seed + number


def order_of(request: GenerationRequest) -> Order:
    """What is asked for, checked.

    Raises:
        InvalidInput: parameters contradict each other.
        RequestValidationError: the service does not take a value.
    """
    parameters = request.parameters or GenerationParameters()
    _check(request, parameters)
    tells = bool(parameters.details or parameters.decoder_input_details)
    num_candidates = parameters.best_of or 1
    seed = parameters.seed
    if seed is None and parameters.samples and tells:
        seed = secrets.randbits(62)  # so that it can be told
    fields = {
        "prompt": "",
        "max_tokens": parameters.max_new_tokens or _MAX_NEW_TOKENS,
        "temperature": (parameters.temperature or 1.0) if parameters.samples else 0.0,
        "top_k": parameters.top_k,
        "top_p": parameters.top_p or 1.0,
        "repetition_penalty": parameters.repetition_penalty,
        "frequency_penalty": parameters.frequency_penalty,
        "seed": seed,
        "stop": parameters.stop or None,
        "stream": request.stream,
        "logprobs": (parameters.top_n_tokens or 0) if tells or request.stream or num_candidates > 1 else None,
        "prompt_logprobs": parameters.decoder_input_details,
    }
    texts = as_list(request.inputs)
    return Order(
        prompts=[prompt for prompt in texts for _ in range(num_candidates)],
        most_read=parameters.truncate,
        native=native(GenerateRequest, fields),
        beginnings=texts if parameters.return_full_text else [""] * len(texts),
        num_candidates=num_candidates,
        tells=tells,
        num_top=parameters.top_n_tokens or 0,
    )


def _check(request: GenerationRequest, parameters: GenerationParameters) -> None:
    several = (parameters.best_of or 1) > 1
    if request.stream and isinstance(request.inputs, list):
        raise InvalidInput("inputs: a list can't be streamed; send one prompt", field="inputs")
    if request.stream and several:
        _refuse("best_of", "what is to be chosen from can't be streamed; only 1")
    if request.stream and parameters.decoder_input_details:
        _refuse("decoder_input_details", "the prompt's tokens can't be streamed")
    if several and not parameters.samples:
        _refuse("best_of", "all texts would be the same; only with do_sample")
    if parameters.top_n_tokens and not (parameters.details or parameters.decoder_input_details or request.stream):
        _refuse("top_n_tokens", "only with details or stream")


def _refuse(name: str, reason: str) -> None:
    raise InvalidInput(f"parameters.{name}: {reason}", field=f"parameters.{name}")

"""Request and reply of `POST /v1/generate`."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ..schema import Schema, ServiceRequest, Texts

Bias = Annotated[float, Field(ge=-100, le=100)]
MOST_BIASES = 300
Stop = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class GenerateRequest(ServiceRequest):
    """Prompts to go on from."""

    prompt: Texts = Field(description="A prompt, or a list of prompts; it may be empty.", examples=["The film"])
    max_tokens: int = Field(64, ge=1, le=2048, description="Most tokens to write.")
    temperature: float = Field(0.8, ge=0, le=5, description="0 always takes the likeliest token.")
    top_k: int = Field(0, ge=0, le=100_000, description="Only the k likeliest tokens; 0 all.")
    top_p: float = Field(0.95, gt=0, le=1, description="Only the likeliest tokens with this probability together.")
    min_p: float = Field(0, ge=0, le=1, description="Only tokens this share as likely as the likeliest.")
    repetition_penalty: float = Field(
        1, ge=0.01, le=10, description="Above 1: tokens of the prompt and the text are less likely."
    )
    frequency_penalty: float = Field(0, ge=-2, le=2, description="Taken off for each time a token was written.")
    presence_penalty: float = Field(0, ge=-2, le=2, description="Taken off once a token was written.")
    seed: int | None = Field(None, ge=-(2**63), lt=2**63, description="Same seed, same text.")
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = Field(
        None, description="End before any of these texts."
    )
    logit_bias: Annotated[dict[str, Bias], Field(max_length=MOST_BIASES)] | None = Field(
        None,
        description="Added to the scores of tokens, by their id; 0 or less to one that is never written, such as <s>.",
        examples=[{"42": -100}],
    )
    logprobs: int | None = Field(
        None, ge=0, le=20, description="Reply with the log-probability of each token written, and so many likeliest."
    )
    prompt_logprobs: bool = Field(
        False, description="Reply with the log-probabilities of the prompt's tokens too, and `logprobs` likeliest."
    )
    state: str | None = Field(
        None, min_length=1, description="Go on from where an earlier reply ended; `prompt` is then read after its text."
    )
    return_state: bool = Field(False, description="Reply with a `state` from which a later request can go on.")
    stream: bool = Field(False, description="Send the text piece by piece as server-sent events.")


class Usage(Schema):
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class LikelyToken(Schema):
    """A token that might have stood in a place."""

    id: int
    token: str
    logprob: float


class TokenLogprob(Schema):
    """A token with its log-probability, as the model saw it: before temperature, penalties, bias and filters."""

    id: int
    token: str = Field(description="Its text; of a part of a character its bytes.")
    logprob: float
    top: list[LikelyToken] = Field(description="The likeliest tokens of its place, best first.")


class GenerationResult(Schema):
    """What was written after one prompt."""

    text: str
    finish_reason: Literal["stop", "length"]
    usage: Usage
    state: str | None = None
    logprobs: list[TokenLogprob] | None = Field(
        None, description="Of the tokens of the text, and of the end symbol where the model wrote it."
    )
    prompt_logprobs: list[TokenLogprob] | None = Field(None, description="Of the tokens of the prompt.")


class GenerateReply(Schema):
    """One result a prompt, in their order."""

    model: str
    results: list[GenerationResult]


class GeneratePiece(Schema):
    """One server-sent event: more text of the prompt with number `index`; the last has the reason and the usage."""

    index: int
    text: str
    finish_reason: Literal["stop", "length"] | None = None
    usage: Usage | None = None
    state: str | None = None
    logprobs: list[TokenLogprob] | None = None
    prompt_logprobs: list[TokenLogprob] | None = None

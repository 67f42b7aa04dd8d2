"""Request and reply of `POST /v1/completions`, as the OpenAI API has them; what cannot be honoured has no place."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from ....generation.schema import MOST_BIASES, Stop
from ....schema import LONGEST_TEXT, MOST_TEXTS, Schema, Text, whole


def _told_together(value: object, validate: ValidatorFunctionWrapHandler) -> Any:
    """One message instead of one for each type that was tried."""
    try:
        return validate(value)
    except ValidationError as error:
        if all(one["type"].endswith("_type") for one in error.errors(include_url=False, include_input=False)):
            message = "should be a text, a list of texts, a list of token ids, or a list of such lists"
            raise PydanticCustomError("prompt", message) from error
        raise


TokenId = Annotated[int, Field(ge=0), BeforeValidator(whole)]
TokenIds = Annotated[list[TokenId], Field(max_length=LONGEST_TEXT, fail_fast=True)]
Prompt = Annotated[
    Text
    | Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS, fail_fast=True)]
    | Annotated[TokenIds, Field(min_length=1)]
    | Annotated[list[TokenIds], Field(min_length=1, max_length=MOST_TEXTS, fail_fast=True)]
    | None,
    WrapValidator(_told_together),
]
Bias = Annotated[float, Field(ge=-100, le=100)]
TokenNumber = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,8})$")]
Biases = Annotated[
    dict[TokenNumber, Bias], Field(max_length=MOST_BIASES, json_schema_extra={"additionalProperties": False})
]


def _refuse(suffix: object) -> None:
    if suffix is not None:
        raise PydanticCustomError("not_supported", "text can't be inserted before other text; leave it out")


class StreamOptions(Schema):
    """What a stream is to hold."""

    include_usage: bool | None = Field(None, description="End with a chunk that has the usage and no choices.")
    include_obfuscation: Literal[False] | None = Field(None, description="Chunks are never padded.")


class CompletionRequest(Schema):
    """Prompts to go on from. Null always means the default."""

    model: str = Field(description="A model that generates text.", examples=["generation"])
    prompt: Prompt = Field(
        description="Text, token ids, or a list of either; null is the empty text.", examples=["The film"]
    )
    best_of: int | None = Field(
        None, ge=1, le=20, description="Write so many, give the `n` with the highest mean log-probability of a token."
    )
    echo: bool | None = Field(None, description="Begin each text with its prompt, as the model reads it.")
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: Biases | None = Field(None, description="Added to the scores of tokens, by their id.")
    logprobs: int | None = Field(None, ge=0, le=5, description="Tell log-probabilities, also of so many likeliest.")
    max_tokens: int | None = Field(None, ge=0, le=2048, description="16 by default; 0 only with `echo`.")
    n: int | None = Field(None, ge=1, le=128, description="Choices for each prompt.")
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = Field(
        None, ge=-(2**63), lt=2**63, description="Same seed, same choices, each unlike the others."
    )
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = Field(None, description="End before any of these.")
    stream: bool | None = None
    stream_options: StreamOptions | None = Field(None, description="Only with `stream`.")
    suffix: Annotated[None, BeforeValidator(_refuse)] = Field(
        None, description="Text can't be inserted before other text."
    )
    temperature: float | None = Field(None, ge=0, le=2, description="1 by default.")
    top_p: float | None = Field(None, ge=0, le=1, description="1 by default; 0 always takes the likeliest token.")
    user: str | None = Field(None, description="Neither logged nor kept: it makes no difference.")


class Logprobs(BaseModel):
    """Log-probabilities of the tokens of a text, before temperature and penalties.

    Attributes:
        tokens: their text; `bytes:\\xf0` where one is no whole character.
        token_logprobs: null for the first token of an echoed prompt.
        top_logprobs: the likeliest tokens of each place and the one that stands there.
        text_offset: where each begins in the choice's text.
    """

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class Choice(BaseModel):
    """One text; those of the first prompt come first."""

    text: str
    index: int
    logprobs: Logprobs | None
    finish_reason: Literal["stop", "length"]


class ChoicePiece(BaseModel):
    """More of one text; the last has the reason."""

    text: str
    index: int
    logprobs: Logprobs | None = None
    finish_reason: Literal["stop", "length"] | None = None


class Usage(BaseModel):
    """Tokens of each prompt once, and of all that was written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(BaseModel):
    """All choices of all prompts."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[Choice]
    usage: Usage


class CompletionChunk(BaseModel):
    """One event of a stream; `usage` is there only if it was asked for, null until the end."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChoicePiece]
    usage: Usage | None = None

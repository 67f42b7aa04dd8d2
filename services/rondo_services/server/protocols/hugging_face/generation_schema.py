"""Request and replies of text-generation, as text-generation-inference (TGI) has them."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from ....generation.schema import Stop
from ....schema import Schema, Texts
from .schema import only


class GenerationParameters(Schema):
    """How to write. Without `do_sample`, a temperature, `top_k` or `top_p`, always the likeliest token is taken."""

    adapter_id: Annotated[None, only("there are no adapters", None)] = None
    best_of: int | None = Field(
        None, ge=1, le=16, description="Write so many texts, and take the one with the likeliest tokens."
    )
    decoder_input_details: bool | None = Field(None, description="Tell of the prompt's tokens in `details.prefill`.")
    details: bool | None = Field(None, description="Tell of the tokens.")
    do_sample: bool | None = Field(None, description="Draw tokens by their probability.")
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    grammar: Annotated[None, only("grammars are not supported", None)] = None
    max_new_tokens: int | None = Field(None, ge=1, le=2048, description="Most tokens to write; 100 by default.")
    repetition_penalty: float | None = Field(None, ge=0.01, le=10)
    return_full_text: bool | None = Field(None, description="Put the prompt before the text.")
    seed: int | None = Field(None, ge=0, lt=2**63, description="Same seed, same text.")
    stop: Annotated[list[Stop], Field(max_length=16)] | None = Field(
        None, description="End before any of these texts; they do not belong to the text."
    )
    temperature: float | None = Field(None, gt=0, le=5)
    top_k: int | None = Field(None, ge=1, le=100_000)
    top_n_tokens: int | None = Field(
        None, ge=0, le=5, description="Tell of so many of the likeliest tokens in each place."
    )
    top_p: float | None = Field(None, gt=0, le=1)
    truncate: int | None = Field(None, ge=1, description="Read only so many tokens, the last ones of the prompt.")
    typical_p: Annotated[
        Annotated[float, Field(ge=1, le=1)] | None,
        only("typical decoding is not supported; only 1, which leaves all tokens", None, 1, 1.0),
    ] = None
    watermark: Annotated[Literal[False] | None, only("watermarks are not supported; only false", None, False)] = None

    @property
    def samples(self) -> bool:
        """Whether tokens are drawn; as TGI has it, whatever shapes the distribution asks for that too."""
        shaped = self.temperature not in (None, 1) or self.top_k is not None or self.top_p not in (None, 1)
        return bool(self.do_sample) or shaped


class GenerationRequest(Schema):
    """A prompt, or a list of prompts, to go on from."""

    inputs: Texts = Field(examples=["The film"])
    parameters: GenerationParameters | None = None
    stream: bool | None = Field(None, description="Send server-sent events, one for each token.")


FinishReason = Literal["length", "eos_token", "stop_sequence"]


class PrefillToken(BaseModel):
    """A token of the prompt."""

    id: int
    text: str
    logprob: float


class Token(BaseModel):
    """A token that was written, or might have been; `special` is the end symbol."""

    id: int
    text: str
    logprob: float
    special: bool


class Details(BaseModel):
    """How a text was written; `seed` is none where nothing was drawn."""

    finish_reason: FinishReason
    generated_tokens: int
    seed: int | None
    prefill: list[PrefillToken]
    tokens: list[Token]
    top_tokens: list[list[Token]] | None = None


class BestOfSequence(Details):
    """Another of the texts that were chosen from."""

    generated_text: str


class BestDetails(Details):
    """How the chosen text was written."""

    best_of_sequences: list[BestOfSequence] | None = None


class Generation(BaseModel):
    """What was written after a prompt."""

    generated_text: str
    details: BestDetails | None = None


class StreamDetails(BaseModel):
    """How a streamed text was written."""

    finish_reason: FinishReason
    generated_tokens: int
    input_length: int
    seed: int | None


class StreamEvent(BaseModel):
    """A token as it is written; the last has the whole text, and details if they are asked for."""

    index: int
    token: Token
    top_tokens: list[Token] | None = None
    generated_text: str | None = None
    details: StreamDetails | None = None

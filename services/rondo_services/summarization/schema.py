"""Request and reply of `POST /v1/summarize`."""

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ..schema import Schema, ServiceRequest, Texts

Method = Literal["write", "choose"]
"""Of the service `summarization`."""

_OF_WRITING = ("max_tokens", "beam_size", "length_penalty")


class SummarizeRequest(ServiceRequest):
    """Texts to summarize."""

    text: Texts = Field(description="A text, or a list of texts.")
    method: Literal["write", "choose", "extract"] = Field(
        "write",
        description="write: in new words. choose: the sentence of the text that is most like a summary, for which a "
        "bundle needs a head called salience. extract: shorten each sentence to some of its own words, which the "
        "service `compression` of a bundle does.",
    )
    max_tokens: int = Field(48, ge=1, le=256, description="Longest summary that is written, in tokens.")
    beam_size: int = Field(4, ge=1, le=16, description="Hypotheses kept in writing; 1 is greedy and fastest.")

    @model_validator(mode="after")
    def _check_method(self) -> Self:
        if self.method != "write" and (given := [name for name in _OF_WRITING if name in self.model_fields_set]):
            raise PydanticCustomError(
                "only_for_writing",
                "{given}: only with the method write; {method} does not write",
                {"given": ", ".join(given), "method": self.method},
            )
        return self


class KeptPart(Schema):
    """A part of the text that is kept."""

    begin: int = Field(description="Its first character, counted from 0.")
    end: int = Field(description="The character after its last.")


class SummaryResult(Schema):
    """The summary of one text."""

    summary: str
    score: float = Field(
        description="Mean log-probability of a token, that of the chosen sentence being a summary (the one of its "
        "text, where the bundle knows how sentences stand), or the mean one of keeping and deleting each word; nearer "
        "to 0 is surer."
    )
    language: str = Field(description='Detected language of the text; "unknown" if it has no letters.')
    sentences_read: int = Field(description="Sentences that the summary was made from.")
    sentences_total: int = Field(description="Sentences of the text.")
    warning: str | None = Field(None, description="Why the result may be poor.")
    kept: list[KeptPart] | None = Field(None, description="With the method extract: what of the text is kept.")


class SummarizeReply(Schema):
    """One result a text, in their order."""

    model: str
    results: list[SummaryResult]

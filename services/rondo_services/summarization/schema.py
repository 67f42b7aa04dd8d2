"""Request and reply of `POST /v1/summarize`."""

from pydantic import Field

from ..schema import Schema, ServiceRequest, Texts


class SummarizeRequest(ServiceRequest):
    """Texts to summarize."""

    text: Texts = Field(description="A text, or a list of texts.")
    max_tokens: int = Field(48, ge=1, le=256, description="Longest summary, in tokens.")
    beam_size: int = Field(4, ge=1, le=16, description="Hypotheses kept; 1 is greedy and fastest.")


class SummaryResult(Schema):
    """The summary of one text."""

    summary: str
    score: float = Field(description="Mean log-probability of a token; nearer to 0 is surer.")
    language: str = Field(description="Detected language of the text.")
    sentences_read: int = Field(description="Sentences that the summary was written from.")
    sentences_total: int = Field(description="Sentences of the text.")
    warning: str | None = Field(None, description="Why the result may be poor.")


class SummarizeReply(Schema):
    """One result a text, in their order."""

    model: str
    results: list[SummaryResult]

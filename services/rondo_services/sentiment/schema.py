"""Request and reply of `POST /v1/sentiment`."""

from typing import Literal

from pydantic import Field

from ..schema import Schema, Texts


class SentimentRequest(Schema):
    """Texts to classify."""

    text: Texts = Field(description="A text, or a list of texts.", examples=["What a wonderful film!"])
    language: Literal["auto", "en", "de", "ko"] = Field("auto", description="Language of the texts.")


class SentimentResult(Schema):
    """The classification of one text."""

    label: str = Field(description="The likeliest label.")
    score: float = Field(description="Its probability.")
    scores: dict[str, float] = Field(description="Probability of each label.")
    language: str = Field(description="Given or detected language of the text.")
    warning: str | None = Field(None, description="Why the result may be poor.")


class SentimentPiece(Schema):
    """A message of the WebSocket: more of one text."""

    text: str = Field(description="What comes next; the pieces are joined as they are.", min_length=1)
    language: Literal["auto", "en", "de", "ko"] = Field("auto", description="Language of the text.")


class SentimentSoFar(SentimentResult):
    """The answer to a piece: the classification of all that has come."""

    num_characters: int = Field(description="Characters that have come.")


class SentimentReply(Schema):
    """One result a text, in their order."""

    model: str
    results: list[SentimentResult]

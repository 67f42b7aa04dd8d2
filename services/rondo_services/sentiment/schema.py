"""Request and reply of `POST /v1/sentiment`."""

from pydantic import Field

from ..languages import AnyLanguage
from ..schema import Schema, ServiceRequest, Text, Texts


class SentimentRequest(ServiceRequest):
    """Texts to classify."""

    text: Texts = Field(description="A text, or a list of texts.", examples=["What a wonderful film!"])
    language: AnyLanguage = Field("auto", description="Language of the texts.")
    explain: bool = Field(
        False, description="Say what each token has to do with the label. Takes some hundred times as long."
    )


class TokenSaliency(Schema):
    """What a part of the text, about a word, has to do with its label."""

    text: str = Field(description="The part; joined, they are the text in Unicode NFC.")
    saliency: float = Field(
        description="How much it raises the logit of the likeliest label over the mean of the others'; "
        "negative: it speaks against the label."
    )


class SentimentResult(Schema):
    """The classification of one text."""

    label: str = Field(description="The likeliest label.")
    score: float = Field(description="Its probability.")
    scores: dict[str, float] = Field(description="Probability of each label.")
    language: str = Field(description='Given or detected language of the text; "unknown" if it has no letters.')
    warning: str | None = Field(None, description="Why the result may be poor.")
    tokens: list[TokenSaliency] | None = Field(
        None,
        description="If asked for: integrated gradients (Sundararajan et al. 2017) from a text of as many blanks. "
        "The end of the text is a token too, but is not listed.",
    )


class SentimentPiece(Schema):
    """A message of the WebSocket: more of one text."""

    text: Text = Field(description="What comes next; the pieces are joined as they are.", min_length=1)
    language: AnyLanguage = Field("auto", description="Language of the text.")


class SentimentSoFar(SentimentResult):
    """The answer to a piece: the classification of all that has come."""

    num_characters: int = Field(description="Characters that have come.")


class SentimentReply(Schema):
    """One result a text, in their order."""

    model: str
    results: list[SentimentResult]

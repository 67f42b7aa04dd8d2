"""Request and reply of `POST /v1/translate`."""

from typing import Literal

from pydantic import Field

from ..schema import Schema, Texts


class TranslateRequest(Schema):
    """Texts to translate."""

    text: Texts = Field(description="A text, or a list of texts.", examples=["Where is the station?"])
    source: Literal["auto", "en", "de", "ko"] = Field("auto", description="Language of the texts.")
    target: Literal["en", "de", "ko"] = Field(description="Language to translate into.", examples=["de"])
    beam_size: int = Field(4, ge=1, le=16, description="Hypotheses kept; 1 is greedy and fastest.")
    rerank: float = Field(
        0,
        ge=0,
        le=4,
        description="Choose also by how well a translation explains its source, with this weight; slower.",
    )
    alternatives: int = Field(0, ge=0, le=15, description="Further translations, at most beam_size - 1.")


class TranslationResult(Schema):
    """The translation of one text."""

    translation: str
    source: str = Field(description="Given or detected language of the text.")
    target: str
    score: float = Field(description="Mean log-probability of a token; nearer to 0 is surer.")
    alternatives: list[str] | None = Field(None, description="Further, different translations, best first.")
    warning: str | None = Field(None, description="Why the result may be poor.")


class TranslateReply(Schema):
    """One result a text, in their order."""

    model: str
    results: list[TranslationResult]

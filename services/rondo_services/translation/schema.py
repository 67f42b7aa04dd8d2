"""Request and reply of `POST /v1/translate`."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ..languages import AnyLanguage, KnownLanguage, with_example
from ..schema import Schema, ServiceRequest, Texts

MOST_TERMS = 100
Term = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
"""Of a glossary."""


class TranslateRequest(ServiceRequest):
    """Texts to translate."""

    text: Texts = Field(description="A text, or a list of texts.", examples=["Where is the station?"])
    source: AnyLanguage = Field("auto", description="Language of the texts.")
    target: KnownLanguage = Field(description="Language to translate into.", json_schema_extra=with_example)
    format: Literal["text", "html"] = Field(
        "text", description="html: tags, attributes and comments are kept, and tags go with the words they were around."
    )
    glossary: dict[Term, Term] | None = Field(
        None,
        max_length=MOST_TERMS,
        description="How terms of the source are to be translated; they are found as whole words, longer ones first; "
        "in Korean, particles and forms of 이다 and 하다 may follow.",
        examples=[{"station": "Haltestelle"}],
    )
    beam_size: int = Field(4, ge=1, le=16, description="Hypotheses kept; 1 is greedy and fastest.")
    rerank: float = Field(
        0,
        ge=0,
        le=4,
        description="Choose also by how well a translation explains its source, with this weight; slower.",
    )
    alternatives: int = Field(0, ge=0, le=15, description="Further translations, at most beam_size - 1.")
    explain: bool = Field(False, description="Return which source tokens each target token was written for.")


class SentenceAlignment(Schema):
    """What the decoder looked at when it wrote a sentence, or a part of one."""

    source: list[str] = Field(description="Tokens of the source.")
    target: list[str] = Field(description="Tokens of the translation.")
    weights: list[list[float]] = Field(description="For each target token, how much each source token counted.")


class TranslationResult(Schema):
    """The translation of one text."""

    translation: str
    source: str = Field(description='Given or detected language of the text; "unknown" if it has no letters.')
    target: str
    score: float = Field(description="Mean log-probability of a token; nearer to 0 is surer.")
    quality: float | None = Field(None, description="From 0 to 1, how good the translation probably is.")
    alternatives: list[str] | None = Field(None, description="Further, different translations, best first.")
    alignment: list[SentenceAlignment] | None = Field(None, description="If it was asked for, in the text's order.")
    warning: str | None = Field(None, description="Why the result may be poor.")


class TranslateReply(Schema):
    """One result a text, in their order."""

    model: str
    results: list[TranslationResult]

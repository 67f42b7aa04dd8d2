"""Requests and replies of text-classification, translation and summarization."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from ....languages import AnyLanguage, KnownLanguage, known_languages
from ....schema import Schema, Texts
from ....translation.schema import MOST_TERMS, SentenceAlignment, Term


def only(reason: str, *allowed: Any) -> BeforeValidator:
    """Refuses all values of a field but these, and says why."""

    def check(value: Any) -> Any:
        if not any(type(value) is type(one) and value == one for one in allowed):
            raise PydanticCustomError("not_offered", "{reason}", {"reason": reason})
        return value

    return BeforeValidator(check)


class ClassificationParameters(Schema):
    """How to classify. Sigmoids are not offered: the labels exclude each other, and are scored together."""

    function_to_apply: Literal["softmax", "none"] | None = Field(
        None, description="softmax: probabilities, the default; none: their logarithms."
    )
    top_k: int | None = Field(None, ge=1, description="Only so many of the likeliest labels.")


class ClassificationRequest(Schema):
    """Texts to classify."""

    inputs: Texts = Field(examples=["What a wonderful film!"])
    parameters: ClassificationParameters | None = None


class Label(BaseModel):
    """A label of a text."""

    label: str
    score: float


class WritingParameters(Schema):
    """What translation and summarization have in common.

    Nothing is cut and nothing needs cleaning up here, so that only those values are taken that say so.
    """

    clean_up_tokenization_spaces: Annotated[
        Literal[False] | None, only("there are no spaces between tokens to clean up; only false", None, False)
    ] = None
    truncation: Literal["do_not_truncate"] | None = None


class TranslationGeneration(Schema):
    """How to search for a translation."""

    num_beams: int | None = Field(None, ge=1, le=16, description="Hypotheses kept; 1 is greedy and fastest.")
    glossary: dict[Term, Term] | None = Field(
        None, max_length=MOST_TERMS, description="How terms are to be translated; Rondo's own."
    )
    explain: bool | None = Field(
        None, description="Return which source tokens each target token was written for; Rondo's own."
    )


class TranslationParameters(WritingParameters):
    """Languages and search."""

    src_lang: AnyLanguage | None = Field(None, description="Found out if it is not given.")
    tgt_lang: KnownLanguage = Field(description="Language to translate into.")
    generate_parameters: TranslationGeneration | None = None


class TranslationRequest(Schema):
    """Texts to translate."""

    inputs: Texts = Field(examples=["Where is the station?"])
    parameters: TranslationParameters

    @model_validator(mode="before")
    @classmethod
    def _names_a_target(cls, content: Any) -> Any:
        """No model of ours has only one target, so that clients that name none need to be told more than others."""
        parameters = content.get("parameters") if isinstance(content, dict) else None
        if isinstance(content, dict) and (parameters is None or _has_no_target(parameters)):
            raise PydanticCustomError(
                "no_target",
                "parameters.tgt_lang is missing; choose among {known}",
                {"known": ", ".join(known_languages())},
            )
        return content


def _has_no_target(parameters: Any) -> bool:
    return isinstance(parameters, dict) and parameters.get("tgt_lang") is None


class Translation(BaseModel):
    """The translation of a text."""

    translation_text: str
    quality: float | None = Field(None, description="From 0 to 1, how good it probably is; Rondo's own.")
    alignment: list[SentenceAlignment] | None = Field(None, description="If it was asked for; Rondo's own.")


class SummarizationGeneration(Schema):
    """How to search for a summary."""

    max_new_tokens: int | None = Field(None, ge=1, le=256, description="Longest summary, in tokens.")
    num_beams: int | None = Field(None, ge=1, le=16, description="Hypotheses kept; 1 is greedy and fastest.")


class SummarizationParameters(WritingParameters):
    """How to summarize."""

    generate_parameters: SummarizationGeneration | None = None


class SummarizationRequest(Schema):
    """Texts to summarize."""

    inputs: Texts
    parameters: SummarizationParameters | None = None


class Summary(BaseModel):
    """The summary of a text."""

    summary_text: str

"""The options that are asked for most, by name; the request models of the services have all, with their meaning."""

from typing import Literal, Required, TypedDict

Language = Literal["en", "de", "ko", "fr"]
AnyLanguage = Literal["auto", "en", "de", "ko", "fr"]


class SentimentOptions(TypedDict, total=False):
    """Of `SentimentRequest`."""

    model: str | None
    language: AnyLanguage
    explain: bool


class TranslateOptions(TypedDict, total=False):
    """Of `TranslateRequest`."""

    model: str | None
    source: AnyLanguage
    target: Required[Language]
    beam_size: int
    rerank: float
    alternatives: int
    format: Literal["text", "html"]
    glossary: dict[str, str] | None
    explain: bool


class SummarizeOptions(TypedDict, total=False):
    """Of `SummarizeRequest`."""

    model: str | None
    method: Literal["write", "choose", "extract"]
    max_tokens: int
    beam_size: int


class GenerateOptions(TypedDict, total=False):
    """Of `GenerateRequest`."""

    model: str | None
    max_tokens: int
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float
    frequency_penalty: float
    presence_penalty: float
    seed: int | None
    stop: str | list[str] | None
    state: str | None
    return_state: bool

"""Requests and replies of LibreTranslate."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StrictBool

from ....languages import AnyLanguage, KnownLanguage, with_example
from ....schema import LONGEST_TEXT, Schema, Text, Texts
from ....translation.schema import MOST_TERMS, SentenceAlignment, Term

MOST_ALTERNATIVES = 15

Key = Annotated[str | None, Field(description="A key, where one is needed; or send it as a header.")]


class TranslateFields(Schema):
    """Texts to translate."""

    q: Texts = Field(
        description="A text, or a list of texts; in a form, several fields of this name.", examples=["Hello!"]
    )
    source: AnyLanguage = Field(description="Language of the texts.")
    target: KnownLanguage = Field(description="Language to translate into.", json_schema_extra=with_example)
    format: Literal["text", "html"] = Field("text", description="How the texts are written.")
    alternatives: int = Field(0, ge=0, le=MOST_ALTERNATIVES, description="Further translations wanted.")
    glossary: dict[Term, Term] | None = Field(
        None,
        max_length=MOST_TERMS,
        description="How terms are to be translated; as JSON in a form or query. Not in LibreTranslate.",
    )
    explain: StrictBool = Field(
        False, description="Return which source tokens each target token was written for. Not there."
    )
    api_key: Key = None


class DetectFields(Schema):
    """A text in some language."""

    q: Text = Field(examples=["Guten Morgen!"])
    api_key: Key = None


class DetectedLanguage(BaseModel):
    """What a text seems to be written in.

    Attributes:
        confidence: percent; 0 for a text without letters, which is said to be English, as LibreTranslate does.
    """

    confidence: int = Field(ge=0, le=100)
    language: str


class LibreTranslateReply(BaseModel):
    """A translation, or for a list of texts a list of everything."""

    translatedText: str | list[str]
    detectedLanguage: DetectedLanguage | list[DetectedLanguage] | None = Field(None, description="For auto only.")
    alternatives: list[str] | list[list[str]] | None = Field(None, description="If any are wanted.")
    warning: str | list[str | None] | None = Field(None, description="Why a result may be poor; not in LibreTranslate.")
    quality: float | list[float | None] | None = Field(
        None, description="From 0 to 1, how good a translation probably is; not in LibreTranslate."
    )
    alignment: list[SentenceAlignment] | list[list[SentenceAlignment]] | None = Field(
        None, description="If it was asked for; not in LibreTranslate."
    )


class Language(BaseModel):
    """A language, and those into which it is translated."""

    code: str
    name: str
    targets: list[str]


class NamedLanguage(BaseModel):
    """A language."""

    code: str
    name: str


class ChosenLanguages(BaseModel):
    """What a front end shows at first."""

    source: NamedLanguage
    target: NamedLanguage


class FrontendSettings(BaseModel):
    """What a front end needs to know."""

    charLimit: int = LONGEST_TEXT
    frontendTimeout: int = Field(500, description="Milliseconds to wait for the next key stroke.")
    apiKeys: bool
    keyRequired: bool
    suggestions: bool = False
    filesTranslation: bool = True
    supportedFilesFormat: list[str]
    language: ChosenLanguages


class LibreTranslateHealth(BaseModel):
    """Requests will be answered."""

    status: str = "ok"


class FileFields(Schema):
    """How to translate a file, besides the file itself."""

    source: AnyLanguage = Field(description="Language of the file.")
    target: KnownLanguage = Field(description="Language to translate into.")
    overwrite: Literal["true", "false"] = Field(
        "false", description="Translate entries of a .po file anew that have a translation; not in LibreTranslate."
    )
    api_key: Key = None


class FileReply(BaseModel):
    """Where the translated file is."""

    translatedFileUrl: str
    warnings: list[str] | None = Field(None, description="Why it may be poor; not in LibreTranslate.")


class FileStatus(BaseModel):
    """How far a file is."""

    id: str
    status: Literal["running", "done", "failed", "cancelled"]
    progress: float = Field(ge=0, le=1, description="Share of the text that has been translated.")
    translatedFileUrl: str | None = None
    warnings: list[str] | None = None
    error: str | None = None

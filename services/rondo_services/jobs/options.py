"""What a job of each service can be told, checked before it begins. Which bundle answers is not among it."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from ..errors import InvalidInput
from ..generation.schema import GenerateRequest
from ..schema import Schema
from ..sentiment.schema import SentimentRequest
from ..summarization.schema import SummarizeRequest
from ..translation.schema import TranslateRequest
from .spec import JobService


class TranslationJob(TranslateRequest):
    """As a request has them, but wider beams; and texts that are only what they are, as evaluation has them."""

    model: None = None
    text: Literal[""] = ""
    format: Literal["plain", "text", "html"] = "text"  # type: ignore[assignment]
    beam_size: int = Field(4, ge=1, le=64)
    length_penalty: float = Field(1.0, ge=0, le=3, description="Above 1: longer translations win.")


class SentimentJob(SentimentRequest):
    """As a request has them."""

    model: None = None
    text: Literal[""] = ""


class SummarizationJob(SummarizeRequest):
    """As a request has them, but wider beams."""

    model: None = None
    text: Literal[""] = ""
    beam_size: int = Field(4, ge=1, le=64)
    length_penalty: float = Field(1.0, ge=0, le=3, description="Above 1: longer summaries win.")


class GenerationJob(GenerateRequest):
    """As a request has them; each record has a seed of its own, and none goes on from a state."""

    model: None = None
    prompt: Literal[""] = ""
    seed: int = Field(0, ge=-(2**63), lt=2**63, description="Of the first record; each has the next one.")
    state: None = None
    return_state: Literal[False] = False
    prompt_logprobs: Literal[False] = False
    stream: Literal[False] = False


class NoOptions(Schema):
    """There is nothing to be told."""


JobOptions = TranslationJob | SentimentJob | SummarizationJob | GenerationJob | NoOptions

_OPTIONS: dict[JobService, type[JobOptions]] = {
    "translation": TranslationJob,
    "sentiment": SentimentJob,
    "summarization": SummarizationJob,
    "generation": GenerationJob,
    "perplexity": NoOptions,
    "requests": NoOptions,
}


def checked_options(service: JobService, options: Mapping[str, Any]) -> JobOptions:
    """The options of a job, with the defaults of those that were not given.

    Raises:
        InvalidInput: one is unknown or can't be; the message lists all that are wrong.
    """
    kind = _OPTIONS[service]
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'all'}: {_told(one)}" for one in error.errors())
        raise InvalidInput(f"options of {service}: {wrong}", field="options") from error


def _told(error: ErrorDetails) -> str:
    if error["type"] == "missing":  # only the target can be
        return "say which language to translate into (--to on the command line)"
    return error["msg"]

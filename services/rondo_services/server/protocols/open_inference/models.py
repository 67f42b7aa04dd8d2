"""The services as models with tensors: what each takes, and what it gives."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import Request
from pydantic_core import to_json

from ....generation.schema import GenerateRequest
from ....schema import Schema
from ....sentiment.schema import SentimentRequest
from ....suite import Suite
from ....summarization.schema import SummarizeRequest
from ....translation.schema import TranslateRequest
from ...answers import Answers
from .schema import Datatype

TEXT = "text"
ANY = -1
_UNKNOWN = -1.0
"""Stands for a probability that is not told: tensors have no null."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a model: a request parameter, or an input of one element.

    Attributes:
        many: it is a list, and as an input has one dimension of any size.
        in_json: its value is the JSON of what the service takes.
    """

    name: str
    datatype: Datatype
    many: bool = False
    in_json: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """An output of a model.

    Attributes:
        row: its elements for one result; each of several if `wide`.
        wide: it has a second dimension.
        labelled: the second dimension is that of the labels.
        asked_by: the option without which it is not given.
    """

    name: str
    datatype: Datatype
    row: Callable[[Any], Any]
    wide: bool = False
    labelled: bool = False
    asked_by: str | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A service: the texts are its input `text`, which the native request calls `field`."""

    request: type[Schema]
    field: str
    options: tuple[Option, ...]
    outputs: tuple[Output, ...]
    ask: Callable[[Answers, Request, Any], Awaitable[Sequence[Any]]]

    def inputs(self) -> list[tuple[str, Datatype, list[int]]]:
        """Names, datatypes and shapes of all inputs."""
        options = [(option.name, option.datatype, [ANY if option.many else 1]) for option in self.options]
        return [(TEXT, "BYTES", [ANY]), *options]


def labels_of(suite: Suite, service: str) -> list[str]:
    """The labels that a service chooses among; none for one that writes."""
    return list(suite.sentiment.labels) if service == "sentiment" and suite.sentiment is not None else []


def _attribute(name: str, datatype: Datatype) -> Output:
    return Output(name, datatype, lambda result: getattr(result, name))


def _usage(name: str) -> Output:
    return Output(name, "INT64", lambda result: getattr(result.usage, name))


def _explanation(name: str) -> Output:
    """As JSON, since no two are of one shape."""
    return Output(name, "BYTES", lambda result: to_json(getattr(result, name)).decode(), asked_by="explain")


class _Extract(SummarizeRequest):
    """Texts to shorten."""

    method: Literal["extract"] = "extract"


_WARNING = Output("warning", "BYTES", lambda result: result.warning or "")

MODELS: Mapping[str, Model] = {
    "sentiment": Model(
        SentimentRequest,
        "text",
        (Option("language", "BYTES"), Option("explain", "BOOL")),
        (
            _attribute("label", "BYTES"),
            _attribute("score", "FP32"),
            Output("scores", "FP32", lambda result: list(result.scores.values()), wide=True, labelled=True),
            _attribute("language", "BYTES"),
            _explanation("tokens"),
            _WARNING,
        ),
        Answers.sentiment,
    ),
    "translation": Model(
        TranslateRequest,
        "text",
        (
            Option("source", "BYTES"),
            Option("target", "BYTES"),
            Option("format", "BYTES"),
            Option("beam_size", "INT64"),
            Option("rerank", "FP64"),
            Option("alternatives", "INT64"),
            Option("glossary", "BYTES", in_json=True),
            Option("explain", "BOOL"),
        ),
        (
            _attribute("translation", "BYTES"),
            _attribute("score", "FP32"),
            Output("quality", "FP32", lambda result: _UNKNOWN if result.quality is None else result.quality),
            _attribute("source", "BYTES"),
            Output("alternatives", "BYTES", lambda result: result.alternatives, wide=True, asked_by="alternatives"),
            _explanation("alignment"),
            _WARNING,
        ),
        Answers.translations,
    ),
    "summarization": Model(
        SummarizeRequest,
        "text",
        (Option("method", "BYTES"), Option("max_tokens", "INT64"), Option("beam_size", "INT64")),
        (
            _attribute("summary", "BYTES"),
            _attribute("score", "FP32"),
            _attribute("language", "BYTES"),
            _attribute("sentences_read", "INT64"),
            _attribute("sentences_total", "INT64"),
            _WARNING,
        ),
        Answers.summaries,
    ),
    "compression": Model(
        _Extract,
        "text",
        (),
        (
            _attribute("summary", "BYTES"),
            _attribute("score", "FP32"),
            _attribute("language", "BYTES"),
            Output("kept", "BYTES", lambda result: to_json(result.kept).decode()),
            _WARNING,
        ),
        Answers.summaries,
    ),
    "generation": Model(
        GenerateRequest,
        "prompt",
        (
            Option("max_tokens", "INT64"),
            Option("temperature", "FP64"),
            Option("top_k", "INT64"),
            Option("top_p", "FP64"),
            Option("min_p", "FP64"),
            Option("repetition_penalty", "FP64"),
            Option("frequency_penalty", "FP64"),
            Option("presence_penalty", "FP64"),
            Option("seed", "INT64"),
            Option("stop", "BYTES", many=True),
            Option("state", "BYTES"),
            Option("return_state", "BOOL"),
        ),
        (
            _attribute("text", "BYTES"),
            _attribute("finish_reason", "BYTES"),
            _usage("prompt_tokens"),
            _usage("completion_tokens"),
            Output("state", "BYTES", lambda result: result.state or "", asked_by="return_state"),
        ),
        Answers.continuations,
    ),
}

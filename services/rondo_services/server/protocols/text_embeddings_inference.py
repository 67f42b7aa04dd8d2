"""`POST /predict` of Hugging Face's text-embeddings-inference (TEI), over the sentiment service."""

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from ...errors import InvalidInput
from ...schema import MOST_TEXTS, Schema
from ...sentiment.schema import SentimentRequest
from ...timing import RequestTimes, request_times
from ..answers import Answers
from ..routes import EngineRoute
from ..shapes import Failure, failure_reply
from .native import native
from .ranking import ranked

PATH = "/predict"

ErrorType = Literal["Unhealthy", "Backend", "Overloaded", "Validation", "Tokenizer", "Empty"]


_Text = Annotated[str, Field(json_schema_extra={"minLength": 1})]
_Single = Annotated[list[_Text], Field(json_schema_extra={"minItems": 1, "maxItems": 1})]
"""What has another length is refused by the route, as TEI has it."""


class PredictRequest(Schema):
    """What to classify: a text, or lists of one text each. Pairs of texts are refused: the model reads single ones."""

    inputs: _Text | _Single | Annotated[list[_Single], Field(json_schema_extra={"minItems": 1})] = Field(
        description='`"text"` or `["text"]`, or a batch `[["text"], ["text"]]`.', examples=["What a wonderful film!"]
    )
    raw_scores: bool = Field(False, description="Log-probabilities, of which the softmax are the probabilities.")
    truncate: bool | None = Field(None, description="Cut a text that is too long, instead of refusing it.")
    truncation_direction: Literal["Left", "Right", "left", "right"] = Field("Right", description="Where it is cut.")


class Prediction(BaseModel):
    """A label."""

    score: float
    label: str


class ErrorReply(BaseModel):
    """The body of every reply that is not a success."""

    error: str
    error_type: ErrorType


def error_shape(failure: Failure) -> tuple[int, dict[str, Any]]:
    """`{"error", "error_type"}`; whatever keeps the model from answering is a 424."""
    status, kind = failure.status, "Validation"
    if failure.code == _EMPTY:
        kind = "Empty"
    elif status == 429:
        kind = "Overloaded"
    elif status >= 500:
        status, kind = 424, "Backend"
    return status, {"error": failure.message, "error_type": kind}


_EMPTY = "empty_input"
_DESCRIPTIONS: dict[int | str, str] = {
    400: "There is nothing to classify, or the body is no JSON.",
    413: "A text, the batch or the body is too large.",
    415: "The body is not declared as JSON.",
    422: "A field is missing, unknown or wrong, or a pair of texts is asked for.",
    424: "The model could not answer, or not in time.",
    429: "The queue is full; come back after Retry-After seconds.",
    "4XX": "The request is refused.",
}
_DOCUMENTED: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorReply, "description": description} for status, description in _DESCRIPTIONS.items()
}


def router(answers: Answers) -> APIRouter:
    """Routes of the protocol."""
    routes = APIRouter(tags=["text-embeddings-inference"], route_class=EngineRoute)

    @routes.post(PATH, responses=_DOCUMENTED, response_model=list[Prediction] | list[list[Prediction]])
    async def predict(request: PredictRequest, http: Request) -> JSONResponse:
        """All labels with their probabilities, the likeliest first; a list of such lists for a batch."""
        began = time.monotonic()
        texts, is_batch = _texts(request.inputs)
        if not all(texts) or not texts:
            return failure_reply(Failure(400, _EMPTY, "`inputs` cannot be empty"), error_shape)
        if len(texts) > MOST_TEXTS:
            too_many = f"batch size {len(texts)} > maximum allowed batch size {MOST_TEXTS}"
            return failure_reply(Failure(413, "batch_too_large", too_many), error_shape)
        own = native(SentimentRequest, {"text": texts}, {"text": "inputs"})
        try:
            results = await answers.sentiment(http, own, cut=_side(request))
        except InvalidInput as error:
            if error.field != "text":
                raise
            return failure_reply(Failure(413, error.code, error.message), error_shape)
        lists = [
            [{"score": score, "label": label} for label, score in ranked(result.scores, raw=request.raw_scores)]
            for result in results
        ]
        headers = _headers(texts, request_times.get() or RequestTimes(), time.monotonic() - began)
        return JSONResponse(lists if is_batch else lists[0], headers=headers)

    return routes


def _side(request: PredictRequest) -> Literal["left", "right"] | None:
    if not request.truncate:
        return None
    return "left" if request.truncation_direction.lower() == "left" else "right"


def _texts(inputs: str | list[str] | list[list[str]]) -> tuple[list[str], bool]:
    """The texts, and whether they are a batch. A list of two strings is a pair, as TEI has it."""
    if isinstance(inputs, str):
        return [inputs], False
    if any(isinstance(entry, list) and len(entry) == 0 for entry in inputs):
        raise InvalidInput("inputs: each list of a batch must have one text", field="inputs")
    is_batch = not inputs or isinstance(inputs[0], list)
    rows = [entry for entry in inputs if isinstance(entry, list)] if is_batch else [[str(entry) for entry in inputs]]
    if any(len(row) != 1 for row in rows):
        raise InvalidInput(
            'inputs: pairs of texts can\'t be classified here; send a batch as [["text"], ["text"]]', field="inputs"
        )
    return [row[0] for row in rows], is_batch


def _headers(texts: list[str], times: RequestTimes, total_s: float) -> dict[str, str]:
    """TEI's headers; times are whole milliseconds there."""
    durations = {
        "x-compute-time": total_s,
        "x-total-time": total_s,
        "x-tokenization-time": times.tokenize_s,
        "x-queue-time": times.queue_s,
        "x-inference-time": times.inference_s,
    }
    return {
        "x-compute-type": "cpu",
        "x-compute-characters": str(sum(map(len, texts))),
        "x-compute-tokens": str(times.num_tokens),
        **{name: str(int(seconds * 1000)) for name, seconds in durations.items()},
    }

"""How Hugging Face's servers tell of failures."""

from typing import Any, Literal

from pydantic import BaseModel

from ...shapes import Failure

ErrorType = Literal["generation", "overloaded", "validation"]


class ErrorReply(BaseModel):
    """The body of every reply that is not a success; `error_type` as text-generation-inference has it."""

    error: str
    error_type: ErrorType


def error_shape(failure: Failure) -> tuple[int, dict[str, Any]]:
    """`{"error", "error_type"}`"""
    kind: ErrorType = "validation"
    if failure.status == 429:
        kind = "overloaded"
    elif failure.status >= 500:
        kind = "generation"
    return failure.status, {"error": failure.message, "error_type": kind}


_DESCRIPTIONS: dict[int | str, str] = {
    400: "The body is no JSON.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    422: "A field is missing, unknown or wrong, or can't be honoured.",
    429: "The queue is full; come back after Retry-After seconds.",
    503: "The engine failed, is being restarted or is stopping.",
    504: "The answer was not ready at the deadline.",
    "4XX": "The request is refused.",
}
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorReply, "description": description} for status, description in _DESCRIPTIONS.items()
}

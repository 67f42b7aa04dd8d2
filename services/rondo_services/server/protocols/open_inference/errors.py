"""How the Open Inference Protocol tells of failures."""

from typing import Any

from pydantic import BaseModel

from ...shapes import Failure


class ErrorReply(BaseModel):
    """The body of every reply that is not a success."""

    error: str


def error_shape(failure: Failure) -> tuple[int, dict[str, Any]]:
    """`{"error"}`; a request that cannot be honoured is a 400."""
    return 400 if failure.status == 422 else failure.status, {"error": failure.message}


def documented(*statuses: int | str) -> dict[int | str, dict[str, Any]]:
    """Descriptions of error replies for OpenAPI."""
    return {status: {"model": ErrorReply, "description": _DESCRIPTIONS[status]} for status in statuses}


_DESCRIPTIONS: dict[int | str, str] = {
    400: "The body can't be read, or a tensor or parameter is missing, unknown or wrong.",
    404: "There is no such model or version.",
    413: "The body is too large, also once it is unpacked.",
    415: "The body is packed in another way than gzip or deflate.",
    429: "The queue is full; come back after Retry-After seconds.",
    503: "The engine failed, is being restarted or is stopping.",
    504: "The answer was not ready at the deadline.",
    "4XX": "The request is refused.",
}

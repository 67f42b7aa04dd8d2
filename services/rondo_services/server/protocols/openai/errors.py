"""How the OpenAI API tells of failures."""

from typing import Any, Literal

from pydantic import BaseModel

from ...shapes import Failure

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_CODES = {"overloaded": "rate_limit_exceeded", "invalid_key": "invalid_api_key"}
_NOT_FOUND = (
    "nothing is served at this path; of the OpenAI API there are /v1/completions, /v1/models, /v1/files and /v1/batches"
)
ErrorType = Literal[
    "authentication_error",
    "invalid_request_error",
    "not_found_error",
    "permission_error",
    "rate_limit_error",
    "server_error",
]


class ErrorDetail(BaseModel):
    """What went wrong; `param` is the part of the request it is about."""

    message: str
    type: ErrorType
    param: str | None
    code: str | None


class ErrorReply(BaseModel):
    """The body of every reply that is not a success."""

    error: ErrorDetail


def error_shape(failure: Failure) -> tuple[int, dict[str, Any]]:
    """`{"error": {"message", "type", "param", "code"}}`; a request that cannot be honoured is a 400."""
    status = 400 if failure.status == 422 else failure.status
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    code = _CODES.get(failure.code, failure.code)
    message = _NOT_FOUND if failure.code == "not_found" else failure.message
    return status, {"error": {"message": message, "type": kind, "param": failure.field, "code": code}}


def documented(*statuses: int | str) -> dict[int | str, dict[str, Any]]:
    """Descriptions of error replies for OpenAPI."""
    return {status: {"model": ErrorReply, "description": _DESCRIPTIONS[status]} for status in statuses}


_DESCRIPTIONS: dict[int | str, str] = {
    400: "The body is no JSON, or a parameter is missing, unknown or can't be honoured.",
    404: "There is no such model, file or batch.",
    413: "The body or file is too large.",
    415: "The body is not declared as JSON, or a file not as a form.",
    429: "The queue is full, or the key's quota used up; come back after Retry-After seconds.",
    503: "The engine failed, is being restarted or is stopping; or the store of batches does not answer.",
    504: "The answer was not ready at the deadline.",
    "4XX": "The request is refused.",
}

"""How LibreTranslate tells of failures."""

from typing import Any

from pydantic import BaseModel

from ...shapes import Failure

_STATUS = {401: 403, 422: 400}


class LibreTranslateError(BaseModel):
    """The body of every reply that is not a success."""

    error: str


def error_shape(failure: Failure) -> tuple[int, dict[str, Any]]:
    """`{"error": "..."}`; a request that can't be honoured is a 400, a missing or wrong key a 403."""
    return _STATUS.get(failure.status, failure.status), {"error": failure.message}


def documented(*statuses: int | str) -> dict[int | str, dict[str, Any]]:
    """Descriptions of error replies for OpenAPI."""
    return {status: {"model": LibreTranslateError, "description": _DESCRIPTIONS[status]} for status in statuses}


_DESCRIPTIONS: dict[int | str, str] = {
    400: "A parameter is missing, unknown, too long or not supported.",
    403: "The key is missing or not valid.",
    404: "It is not there, or no longer.",
    413: "The body is too large.",
    415: "The body is declared as something else.",
    429: "Too much at the moment; come back after Retry-After seconds.",
    503: "The engine failed, is being restarted or is stopping.",
    504: "The answer was not ready at the deadline.",
    "4XX": "The request is refused.",
}

"""The shapes in which failures are told: each protocol has its own, which goes by the path of the request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.responses import JSONResponse


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, in Rondo's own terms.

    Attributes:
        status: as the native protocol has it.
        code: for programs.
        message: for people.
        field: the part of the request it is about.
        retry_after_s: when it is worth trying again.
        is_final: it is not worth trying again, whatever the status suggests.
    """

    status: int
    code: str
    message: str
    field: str | None = None
    retry_after_s: int | None = None
    is_final: bool = False


ErrorShape = Callable[[Failure], tuple[int, dict[str, Any]]]
"""Status and JSON of a failure."""


def native_shape(failure: Failure) -> tuple[int, dict[str, Any]]:
    """`{"error": {"code", "message", "field"}}`"""
    return failure.status, {
        "error": {"code": failure.code, "message": failure.message, "field": failure.field},
    }


class ErrorShapes:
    """The shape for each path.

    Args:
        shapes: by the beginning of a path, up to a slash or the end; the longest that fits decides.
    """

    def __init__(self, shapes: Mapping[str, ErrorShape] | None = None) -> None:
        self._shapes = sorted((shapes or {}).items(), key=lambda item: -len(item[0]))

    def of(self, path: str) -> ErrorShape:
        """How to tell a failure of a request to `path`."""
        for beginning, shape in self._shapes:
            if path == beginning or path.startswith(f"{beginning}/"):
                return shape
        return native_shape


def failure_reply(failure: Failure, shape: ErrorShape, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A reply that tells of a failure."""
    status, body = shape(failure)
    own = dict(headers or {})
    if failure.retry_after_s is not None:
        own["Retry-After"] = str(failure.retry_after_s)
    if status == 401:
        own["WWW-Authenticate"] = "Bearer"  # demanded by RFC 9110, section 15.5.2
    if failure.is_final:
        own["X-Should-Retry"] = "false"  # what OpenAI's clients go by
    return JSONResponse(body, status, own)

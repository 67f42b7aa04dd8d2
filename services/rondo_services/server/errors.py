"""Errors → status and JSON: `{"error": {"code", "message", "field"}}`, in this one place."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from ..errors import (
    Cancelled,
    EngineFailed,
    EngineRestarted,
    InvalidInput,
    MalformedState,
    NotServed,
    Overloaded,
    RondoError,
    TimedOut,
)

STATUS: dict[type[RondoError], int] = {
    InvalidInput: 422,
    MalformedState: 400,
    NotServed: 422,
    Overloaded: 429,
    Cancelled: 499,
    TimedOut: 504,
    EngineFailed: 503,
    EngineRestarted: 503,
}
_HTTP_CODES = {
    400: "malformed_json",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}


class ErrorDetail(BaseModel):
    """What went wrong: a code for programs, a message for people, the field of the request it is about."""

    code: str
    message: str
    field: str | None


class ErrorReply(BaseModel):
    """The body of every reply that is not a success."""

    error: ErrorDetail


DOCUMENTED: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorReply, "description": "The body is no JSON, or `state` is none of ours."},
    413: {"model": ErrorReply, "description": "The body is too large."},
    415: {"model": ErrorReply, "description": "The body is not declared as JSON."},
    422: {"model": ErrorReply, "description": "A field is missing, unknown or wrong."},
    429: {"model": ErrorReply, "description": "The queue is full; come back after Retry-After seconds."},
    503: {"model": ErrorReply, "description": "The engine failed, is being restarted or is stopping."},
    504: {"model": ErrorReply, "description": "The answer was not ready at the deadline."},
}


def error_body(code: str, message: str, field: str | None) -> dict[str, Any]:
    """The JSON of an error."""
    return ErrorReply(error=ErrorDetail(code=code, message=message, field=field)).model_dump()


def error_reply(
    status: int, code: str, message: str, field: str | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """A reply that carries an error."""
    return JSONResponse(error_body(code, message, field), status, headers)


def rondo_error_reply(error: RondoError) -> JSONResponse:
    """The reply for an error of the domain."""
    wait = error.retry_after_s if isinstance(error, Overloaded | EngineRestarted) else None
    headers = {"Retry-After": str(wait)} if wait is not None else None
    return error_reply(STATUS[type(error)], error.code, error.message, error.field, headers)


def _clearest(errors: Sequence[Any]) -> Any:
    """The first field's error; where each of a choice of types failed, the one nearest to what was sent."""
    own = [error for error in errors if error["loc"][1:2] == errors[0]["loc"][1:2]]
    return max(own, key=lambda error: (not error["type"].endswith("_type"), len(error["loc"])))


def _field(location: Sequence[str | int]) -> str | None:
    """`text` or `text.3`; the names of the types that were tried are left out."""
    name, *rest = location[1:] or (None,)
    return None if name is None else ".".join([str(name), *(str(part) for part in rest if isinstance(part, int))])


def _validation_reply(error: RequestValidationError) -> JSONResponse:
    first = _clearest(error.errors())
    if first["type"] == "json_invalid":
        return error_reply(400, "malformed_json", f"the body is no JSON: {first['ctx']['error']}")
    if isinstance(error.body, bytes):
        return error_reply(415, "unsupported_media_type", "send the body as application/json")
    field = _field(first["loc"])
    expected = first["msg"]
    if first["type"] == "extra_forbidden":
        expected = "unknown field"
    return error_reply(422, InvalidInput.code, f"{field or 'body'}: {expected}", field)


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error in the one shape."""

    @app.exception_handler(RondoError)
    async def _(request: Request, error: RondoError) -> JSONResponse:
        return rondo_error_reply(error)

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, error: RequestValidationError) -> JSONResponse:
        return _validation_reply(error)

    @app.exception_handler(HTTPException)
    async def _(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers) if error.headers else None
        code = _HTTP_CODES.get(error.status_code, "http_error")
        return error_reply(error.status_code, code, str(error.detail), None, headers)

    @app.exception_handler(Exception)
    async def _(request: Request, error: Exception) -> JSONResponse:
        return error_reply(500, "internal_error", "an error of ours; it has been logged")

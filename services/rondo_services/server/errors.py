"""Errors → failures with a status, in this one place; `shapes.py` has the shapes in which they are told."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ..errors import (
    BundleRefused,
    Cancelled,
    EngineFailed,
    EngineRestarted,
    InvalidInput,
    LimitReached,
    MalformedBody,
    MalformedState,
    NotAllowed,
    NotAuthenticated,
    NotServed,
    Overloaded,
    RondoError,
    TimedOut,
    TooLarge,
    UnknownModel,
    UnknownObject,
    WrongState,
)
from ..jobs.errors import JobStoreError
from .routes import methods_at
from .shapes import ErrorShapes, Failure, failure_reply

logger = logging.getLogger("rondo")

STATUS: dict[type[RondoError], int] = {
    InvalidInput: 422,
    MalformedState: 400,
    MalformedBody: 400,
    NotAuthenticated: 401,
    NotAllowed: 403,
    LimitReached: 429,
    NotServed: 422,
    UnknownModel: 404,
    BundleRefused: 422,
    UnknownObject: 404,
    WrongState: 409,
    TooLarge: 413,
    Overloaded: 429,
    Cancelled: 499,
    TimedOut: 504,
    EngineFailed: 503,
    EngineRestarted: 503,
    JobStoreError: 503,
}
_HTTP_CODES = {
    400: "malformed_json",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}


_TYPES = frozenset(("bool", "dict", "float", "int", "list", "none", "str"))
"""Where a field may be of several types, an error's place has the name of the one that was tried."""


INTERNAL_FAILURE = Failure(500, "internal_error", "an error of ours; it has been logged")


class ErrorDetail(BaseModel):
    """What went wrong: a code for programs, a message for people, the field of the request it is about."""

    code: str
    message: str
    field: str | None


class ErrorReply(BaseModel):
    """The body of every reply that is not a success."""

    error: ErrorDetail


DOCUMENTED: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorReply, "description": "The body is no JSON or too deep, or `state` is none of ours."},
    401: {"model": ErrorReply, "description": "Keys are asked for, and there is none, or none that is valid."},
    404: {"model": ErrorReply, "description": "No bundle of that name, or not with this service."},
    413: {"model": ErrorReply, "description": "The body is too large."},
    415: {"model": ErrorReply, "description": "The body is not declared as JSON."},
    422: {"model": ErrorReply, "description": "A field is missing, unknown or wrong."},
    429: {
        "model": ErrorReply,
        "description": "The queue is full, or the key's rate or quota used up; come back after Retry-After seconds.",
    },
    503: {"model": ErrorReply, "description": "The engine failed, is being restarted or is stopping."},
    504: {"model": ErrorReply, "description": "The answer was not ready at the deadline."},
}


def failure_of(error: RondoError) -> Failure:
    """What an error of the domain is to the client; what a store says, with its paths and addresses, is logged."""
    message = error.message
    if isinstance(error, JobStoreError):
        logger.error("%s", error)
        message = "the store of jobs does not answer"
    wait = error.retry_after_s if isinstance(error, Overloaded | EngineRestarted | LimitReached) else None
    return Failure(STATUS[type(error)], error.code, message, error.field, wait, isinstance(error, TimedOut))


def _clearest(errors: Sequence[Any]) -> Any:
    """The first field's error; where each of a choice of types failed, the one nearest to what was sent."""
    own = [error for error in errors if error["loc"][1:2] == errors[0]["loc"][1:2]]
    return max(own, key=lambda error: (not error["type"].endswith("_type"), len(error["loc"])))


def _field(location: Sequence[str | int]) -> str | None:
    """`text`, `text.3` or `parameters.seed`; the names of the types that were tried are left out."""
    name, *rest = location[1:] or (None,)
    inner = [str(part) for part in rest if isinstance(part, int) or (part not in _TYPES and part.isidentifier())]
    return None if name is None else ".".join([str(name), *inner])


def _validation_failure(error: RequestValidationError) -> Failure:
    first = _clearest(error.errors())
    if first["type"] == "json_invalid":
        return Failure(400, "malformed_json", f"the body is no JSON: {first['ctx']['error']}")
    if isinstance(error.body, bytes):
        return Failure(415, "unsupported_media_type", "send the body as application/json")
    field = _field(first["loc"])
    expected = first["msg"]
    if first["type"] == "extra_forbidden":
        expected = "unknown field"
    return Failure(422, InvalidInput.code, f"{field or 'body'}: {expected}", field)


def _unreadable(cause: BaseException | None, request: Request) -> str:
    """What is wrong with a body at which the framework's parser failed with something else than bad JSON."""
    encoding = request.headers.get("content-encoding")
    if encoding is not None:
        return f"the body can't be read; Content-Encoding {encoding!r} is not known here, send it as it is"
    if isinstance(cause, UnicodeDecodeError):
        return f"the body is not {cause.encoding.upper()}, at byte {cause.start}; send JSON in UTF-8"
    return f"the body can't be read: {str(cause).partition(';')[0]}"


def install_error_handlers(app: FastAPI, shapes: ErrorShapes) -> None:
    """Answer every error in the shape that goes with the path."""

    def reply(request: Request, failure: Failure, headers: Mapping[str, str] | None = None) -> JSONResponse:
        return failure_reply(failure, shapes.of(request.scope["path"]), headers)

    @app.exception_handler(RondoError)
    async def _(request: Request, error: RondoError) -> JSONResponse:
        return reply(request, failure_of(error))

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, error: RequestValidationError) -> JSONResponse:
        return reply(request, _validation_failure(error))

    @app.exception_handler(HTTPException)
    async def _(request: Request, error: HTTPException) -> JSONResponse:
        code = _HTTP_CODES.get(error.status_code, "http_error")
        headers = dict(error.headers or {})
        if error.status_code == 405:  # the framework names the methods of the path's first route only
            headers["Allow"] = ", ".join(sorted(methods_at(app.routes, request.scope)))
        is_parsers = error.status_code == 400 and error.__cause__ is not None
        detail = _unreadable(error.__cause__, request) if is_parsers else str(error.detail)
        return reply(request, Failure(error.status_code, code, detail), headers)

    @app.exception_handler(ClientDisconnect)
    async def _(request: Request, error: ClientDisconnect) -> JSONResponse:
        return reply(request, failure_of(Cancelled("the client went away before its body had come")))

    @app.exception_handler(Exception)
    async def _(request: Request, error: Exception) -> JSONResponse:
        return reply(request, INTERNAL_FAILURE)

"""From a protocol's fields to a native request: what that refuses is refused as if it had been the body."""

from collections.abc import Mapping
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)


def native(kind: type[M], fields: Mapping[str, Any], names: Mapping[str, str] | None = None) -> M:
    """A request from its fields, of which those that are None are left out.

    Args:
        names: what the protocol calls a field, where that is something else.

    Raises:
        RequestValidationError: a field is missing, unknown or wrong; it is told by the protocol's name.
    """
    try:
        return kind.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        raise refused(error, names) from error


def parsed(kind: type[M], content: bytes) -> M:
    """A request from its JSON.

    Raises:
        RequestValidationError: it is no JSON, or a field is missing, unknown or wrong.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise refused(error) from error


def refused(error: ValidationError, names: Mapping[str, str] | None = None) -> RequestValidationError:
    """The error in the form in which the framework has those of bodies."""
    details: list[Any] = error.errors()
    for detail in details:
        first, *rest = detail["loc"] or (None,)
        own = (names or {}).get(str(first), first)
        detail["loc"] = ("body",) if own is None else ("body", own, *rest)
    return RequestValidationError(details)

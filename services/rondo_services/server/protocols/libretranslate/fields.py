"""The fields of a request, whichever way they come: as JSON, as a form of either kind, in the query string."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic_core import from_json
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from ....errors import InvalidInput, MalformedBody
from ....whole_numbers import whole_number

JSON = "application/json"
URL_ENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

_MOST_FIELDS = 1000
_OPTIONAL = frozenset(("format", "alternatives", "overwrite", "glossary", "explain", "api_key"))
_TRUTHS = {"true": True, "false": False}


@asynccontextmanager
async def fields_of(http: Request) -> AsyncIterator[dict[str, Any]]:
    """All fields; one that is given several times is a list. Files are there while this is open.

    Raises:
        MalformedBody: the body is not what its type says.
        InvalidInput: a field is in the query string and in the body.
        HTTPException: 415, the body is of another type.
    """
    asked = _pairs(http.scope["query_string"], "the query string")
    kind = http.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == MULTIPART:
        body = b"".join([chunk async for chunk in http.stream()])
        _check_form(body, http.headers["content-type"])
        again = Request(http.scope, _receiving(body))  # so that the body is gone once the form is
        async with again.form(max_files=1, max_fields=_MOST_FIELDS, max_part_size=_NO_LIMIT) as form:
            _check_utf8(body, form.multi_items())
            yield _joined(_from_pairs(form.multi_items()), _from_pairs(asked))
        return
    body = await http.body()
    if kind == URL_ENCODED:
        yield _joined(_from_pairs(_pairs(body, "the body")), _from_pairs(asked))
    elif kind == JSON:
        yield _joined(_object(body), _from_pairs(asked))
    elif not kind and not body:
        yield _from_pairs(asked)
    else:
        raise HTTPException(415, f"send the body as {JSON}, {URL_ENCODED} or {MULTIPART}")


_NO_LIMIT = 1 << 40
"""Of a part: the whole body has a limit, and has come already."""


def _receiving(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    return receive


def _check_form(body: bytes, content_type: str) -> None:
    """The parser leaves out a last part without its end, and reads whatever it is told that the text is."""
    options = parse_options_header(content_type)[1]
    charset = options.get(b"charset", b"utf-8").decode("latin-1")
    if charset.lower() not in ("utf-8", "utf8"):
        raise MalformedBody(f"the form is said to be in {charset}; send UTF-8")
    if (boundary := options.get(b"boundary")) is not None and b"--%b--" % boundary not in body:
        raise MalformedBody("the form breaks off: its closing boundary is missing")


def _check_utf8(body: bytes, items: Sequence[tuple[str, Any]]) -> None:
    """The parser reads what is no UTF-8 as Latin-1, so that its text is not in the body."""
    position = 0
    for name, value in items:
        if isinstance(value, str) and not value.isascii():
            position = body.find(value.encode(), position)
            if position < 0:
                raise MalformedBody(f"{name}: the text is not UTF-8; send that, whatever a part says of itself")


def _pairs(encoded: bytes, what: str) -> list[tuple[str, str]]:
    """Names and values, percent-encoded or, as curl sends them, plainly in UTF-8."""
    try:
        return parse_qsl(encoded.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except UnicodeDecodeError as error:
        raise MalformedBody(f"{what} is not UTF-8") from error
    except ValueError as error:
        raise MalformedBody(f"{what} has more than {_MOST_FIELDS} fields") from error


def _object(body: bytes) -> dict[str, Any]:
    try:
        values = from_json(body)
    except ValueError as error:
        raise MalformedBody(f"the body is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise InvalidInput("the body must be a JSON object")
    for name, value in values.items():
        if value is None and name != "api_key":
            raise InvalidInput(f"{name}: leave it out instead of sending null", field=name)
    number = values.get("alternatives")
    if isinstance(number, float) and number.is_integer():  # 3.0 is an integer in JSON
        values["alternatives"] = int(number)
    return values


def _from_pairs(pairs: Sequence[tuple[str, str | UploadFile]]) -> dict[str, Any]:
    """Numbers come as text here; and what may be left out, forms leave empty."""
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(_read(name, value))
    fields = {name: own if len(own) > 1 else own[0] for name, own in values.items()}
    return {name: value for name, value in fields.items() if value != "" or name not in _OPTIONAL}


def _read(name: str, value: Any) -> Any:
    """A field that is no text."""
    if name == "alternatives":
        return _number(value)
    if name == "explain" and isinstance(value, str):
        return _TRUTHS.get(value, value)
    if name == "glossary" and isinstance(value, str) and value:
        try:
            return from_json(value)
        except ValueError as error:
            raise InvalidInput(f"{name}: in a form or query it has to be JSON", field=name) from error
    return value


def _number(value: Any) -> Any:
    number = whole_number(value) if isinstance(value, str) else None
    return value if number is None else number


def _joined(body: dict[str, Any], query: dict[str, Any]) -> dict[str, Any]:
    if twice := sorted(body.keys() & query.keys()):
        raise InvalidInput(f"{twice[0]}: in the query string and in the body; send it once", field=twice[0])
    return {**body, **query}

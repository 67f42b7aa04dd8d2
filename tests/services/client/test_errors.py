"""A server's refusals become the errors that they were in the server."""

import json
from typing import Any

import pytest
from httpx import Headers

from rondo_services.client.errors import ServerError, error_of, retry_after_s
from rondo_services.errors import LimitReached, Overloaded, RondoError
from rondo_services.server.errors import STATUS, failure_of
from rondo_services.server.shapes import native_shape


@pytest.mark.parametrize("kind", STATUS)
def test_every_error_comes_back_as_what_it_was(kind: type[RondoError]) -> None:
    waits = issubclass(kind, Overloaded | LimitReached)
    about: dict[str, Any] = {"retry_after_s": 7} if waits else {"field": "text.3"}
    error = kind("why: because", **about)
    failure = failure_of(error)
    _, body = native_shape(failure)
    back = error_of(json.dumps(body).encode(), STATUS[kind], Headers({"Retry-After": "7"}))
    assert type(back) is kind
    assert str(back) == back.message == failure.message
    assert back.field == error.field
    assert getattr(back, "retry_after_s", None) == getattr(error, "retry_after_s", None)


def test_an_unknown_code_keeps_its_message() -> None:
    back = error_of(b'{"error": {"code": "body_too_large", "message": "too much", "field": null}}', 413)
    assert isinstance(back, ServerError)
    assert (back.status, str(back)) == (413, "body_too_large: too much")


@pytest.mark.parametrize("body", [b"<html>Bad gateway \xff</html>", b"", b"[]", b'"x"', b'{"error": "x"}', b"null"])
def test_what_something_else_answered_is_shown(body: bytes) -> None:
    back = error_of(body, 502)
    assert isinstance(back, ServerError)
    assert back.status == 502
    assert back.body == body.decode(errors="replace")
    assert str(back) == f"the server answered 502: {back.body}"


def test_codes_that_only_a_client_knows_are_not_believed() -> None:
    back = error_of(b'{"error": {"code": "connection_failed", "message": "x", "field": null}}', 500)
    assert isinstance(back, ServerError)


def test_a_refusal_without_retry_after_can_be_told() -> None:
    back = error_of(b'{"error": {"code": "overloaded", "message": "x", "field": null}}', 429)
    assert isinstance(back, Overloaded)
    assert back.retry_after_s == 1


def test_a_field_that_is_none_is_left_out() -> None:
    assert error_of(b'{"error": {"code": "invalid_input", "message": "x", "field": 3}}', 422).field is None


@pytest.mark.parametrize(("given", "seconds"), [("3", 3), ("", None), ("soon", None), ("-1", None), ("9" * 5000, None)])
def test_seconds_to_wait_are_read(given: str, seconds: int | None) -> None:
    assert retry_after_s(Headers({"Retry-After": given})) == seconds

"""Every failure has one of OpenAI's types, and all four keys."""

from typing import get_args

import pytest
from tests.services.server.protocols.openai.asking import Connect, ask

from rondo_services.local import LocalSuite
from rondo_services.server.errors import STATUS
from rondo_services.server.protocols.openai.errors import ErrorReply, ErrorType, error_shape
from rondo_services.server.shapes import Failure


@pytest.mark.parametrize(
    ("status", "code", "kind", "told"),
    [
        (422, "invalid_input", "invalid_request_error", "invalid_input"),
        (415, "unsupported_media_type", "invalid_request_error", "unsupported_media_type"),
        (401, "invalid_key", "authentication_error", "invalid_api_key"),
        (404, "model_not_found", "not_found_error", "model_not_found"),
        (429, "overloaded", "rate_limit_error", "rate_limit_exceeded"),
        (500, "internal_error", "server_error", "internal_error"),
        (504, "timed_out", "server_error", "timed_out"),
    ],
)
def test_types_and_codes(status: int, code: str, kind: str, told: str) -> None:
    shown, body = error_shape(Failure(status, code, "m", "f"))
    assert shown == (400 if status == 422 else status)
    assert body == {"error": {"message": "m", "type": kind, "param": "f", "code": told}}


@pytest.mark.parametrize("path", ["chat/completions", "responses", "embeddings", "moderations", "uploads"])
def test_what_is_not_served_is_refused_in_openais_shape(suite: LocalSuite, connect: Connect, path: str) -> None:
    reply = ask(suite, connect, "POST", f"/v1/{path}", json={})
    assert (reply.status_code, reply.json()["error"]["type"]) == (404, "not_found_error")


def test_every_error_of_the_domain_has_a_documented_type() -> None:
    for error, status in STATUS.items():
        _, body = error_shape(Failure(status, error.code, "m"))
        assert ErrorReply.model_validate(body).error.type in get_args(ErrorType)

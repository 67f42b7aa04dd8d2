"""JSON that a parser should not see."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from rondo_services.errors import MalformedBody
from rondo_services.server.json_limits import JsonLimits, check_json
from rondo_services.server.shapes import ErrorShapes

Json = Any
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('[]{}",\\\\a한∁갢\n')),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.sampled_from('a[]{}",\\'), max_size=3), inner)
    ),
    max_leaves=30,
)


def _depth(value: Json) -> int:
    """As deep as a reader sees it."""
    inner = value if isinstance(value, list) else value.values() if isinstance(value, dict) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def _commas(value: Json) -> int:
    inner = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    return max(0, len(inner) - 1) + sum(map(_commas, inner))


def _is_refused(body: bytes, depth: int = 1000, values: int = 1000) -> bool:
    try:
        check_json(body, depth, values)
    except MalformedBody:
        return True
    return False


@given(JSON, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]), st.booleans())
def test_depth_and_values_are_those_that_a_parser_finds(value: Json, encoding: str, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode(encoding)
    assert json.loads(body) == value
    depth, commas = _depth(value), _commas(value)
    assert not _is_refused(body, depth, commas + 1)
    if depth:
        assert _is_refused(body, depth - 1)
    if commas:
        assert _is_refused(body, 1000, commas)


@pytest.mark.parametrize(
    "body",
    [b"[" * 65, b"[" * 8_000_000, b'{"a":' * 65, b"[" * 65 + b"]" * 65, b'["' + b'\\"' * 9 + b'",' + b"[" * 65],
    ids=["unclosed", "8 MB", "objects", "closed", "after escapes"],
)  # fmt: skip
def test_deep_bodies_are_refused_however_they_end(body: bytes) -> None:
    assert _is_refused(body, 64)


@pytest.mark.parametrize("body", [b"", b"]" * 100 + b"[", b'"' + b"[" * 100, b"\xff\xfe[[", b"[]" * 100, b"\x00" * 9])
def test_what_is_no_json_is_left_to_the_parser(body: bytes) -> None:
    assert not _is_refused(body, 64)


def test_brackets_and_commas_in_texts_do_not_count() -> None:
    assert not _is_refused(json.dumps({"text": '[{,\\"' * 5000}).encode(), 2, 2)


def _ask(
    chunks: list[bytes], *headers: tuple[bytes, bytes], path: str = "/v2/models/sentiment/infer", method: str = "POST"
) -> tuple[list[Message], list[bytes]]:
    """What is sent, and what an app behind the limits reads."""
    sent: list[Message] = []
    read: list[bytes] = []
    left = list(chunks)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in chunks:
            read.append((await receive())["body"])
        assert (await receive())["type"] == "http.disconnect"

    async def receive() -> Message:
        if not left:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "method": method, "headers": headers}
    asyncio.run(JsonLimits(app, 2, 10, ErrorShapes(), "/v2")(scope, receive, send))
    return sent, read


DEEP = [b'{"a": [', b"[1]]}"]
AS_JSON = (b"content-type", b"application/json")


def test_a_good_body_is_passed_on_as_it_came() -> None:
    chunks = [b'{"a": ', b"[1]}"]
    assert _ask(chunks, AS_JSON) == ([], chunks)


@pytest.mark.parametrize("headers", [[], [AS_JSON], [(b"content-type", b"application/vnd.x+JSON; charset=utf-8")]])
def test_a_deep_body_is_answered_400(headers: list[tuple[bytes, bytes]]) -> None:
    sent, read = _ask(DEEP, *headers)
    assert sent[0]["status"] == 400
    error = json.loads(sent[1]["body"])["error"]
    assert error["code"] == "malformed_json"
    assert "deeper than 2" in error["message"]
    assert read == []


@pytest.mark.parametrize("boundary", [b"x", b"json"])
def test_a_body_declared_as_something_else_passes(boundary: bytes) -> None:
    assert _ask(DEEP, (b"content-type", b"multipart/form-data; boundary=" + boundary)) == ([], DEEP)


def test_binary_after_a_json_header_passes() -> None:
    chunks = [b'{"a": [1]}', b"[" * 100]
    assert _ask(chunks, AS_JSON, (b"inference-header-content-length", b"10")) == ([], chunks)
    assert _ask(DEEP, AS_JSON, (b"inference-header-content-length", b"12"))[0][0]["status"] == 400
    assert _ask(DEEP, AS_JSON, (b"inference-header-content-length", b"9" * 5000))[0][0]["status"] == 400


def test_such_a_header_is_heeded_in_its_own_protocol_alone() -> None:
    chunks = [b'{"a": [1]}', b"[" * 100]
    sent, _ = _ask(chunks, AS_JSON, (b"inference-header-content-length", b"10"), path="/v1/sentiment")
    assert sent[0]["status"] == 400


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_packed_bodies_are_left_to_who_unpacks_them(pack: Callable[[bytes], bytes]) -> None:
    packed = pack(b"") + b"[" * 100
    check_json(packed, max_depth=8, max_values=8)

"""Every kind of bad input ends in its documented status with the one error shape, and hurts nobody else."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

SENTIMENT, GENERATE, SUMMARIZE, TRANSLATE = "/v1/sentiment", "/v1/generate", "/v1/summarize", "/v1/translate"
MINIMAL: dict[str, dict[str, Any]] = {
    SENTIMENT: {"text": "a"},
    GENERATE: {"prompt": "a", "max_tokens": 1},
    SUMMARIZE: {"text": "a"},
    TRANSLATE: {"text": "a", "target": "de"},
}
JSON = {"content-type": "application/json"}
INVALID = (422, "invalid_input")
MALFORMED = (400, "malformed_json")
NOT_JSON = (415, "unsupported_media_type")
NOT_SERVED = (422, "not_served")
TOO_LARGE = (413, "body_too_large")
LONGEST_TEXT = 200_000
MOST_BYTES = 8_000_000


@dataclass(frozen=True, slots=True)
class Bad:
    """A request, and the error that it must end in."""

    name: str
    path: str
    status: int
    code: str
    where: str | None = None
    body: bytes = b""
    content_type: str | None = "application/json"
    method: str = "POST"
    chunked: bool = False


def raw(name: str, body: bytes, error: tuple[int, str], where: str | None = None, path: str = SENTIMENT) -> Bad:
    """A body as it is."""
    return Bad(name, path, *error, where, body)


def wrong(path: str, where: str, name: str, literal: str, error: tuple[int, str] = INVALID, **others: Any) -> Bad:
    """The smallest good request of a path, with one field set to a literal of JSON."""
    at = where.split(".")[0]
    good = {key: value for key, value in {**MINIMAL[path], **others}.items() if key != at}
    body = json.dumps(good)[:-1] + (", " if good else "") + f"{json.dumps(at)}: {literal}}}"
    return Bad(f"{path[4:]} {at} {name}", path, *error, where, body.encode())


def texts(count: int, text: str = "a") -> str:
    return json.dumps([text] * count)


BODIES = [
    *(raw(f"no body {path[4:]}", b"", INVALID, None, path) for path in MINIMAL),
    raw("white space", b"  \n", MALFORMED),
    raw("no JSON", b"text=a", MALFORMED),
    raw("broken off", b'{"text": "a"', MALFORMED),
    raw("trailing comma", b'{"text": "a",}', MALFORMED),
    raw("two values", b'{"text": "a"} {"text": "b"}', MALFORMED),
    raw("single quotes", b"{'text': 'a'}", MALFORMED),
    raw("control character", b'{"text": "a\nb"}', MALFORMED),
    raw("bad escape", b'{"text": "\\x41"}', MALFORMED),
    raw("half an escape", b'{"text": "\\ud8"}', MALFORMED),
    raw("invalid UTF-8", b'{"text": "\xff\xfe"}', MALFORMED),
    raw("UTF-8 surrogate", b'{"text": "\xed\xa0\x80"}', INVALID, "text"),
    raw("latin-1", '{"text": "schön"}'.encode("latin-1"), MALFORMED),
    raw("broken UTF-16", '{"text": "a"}'.encode("utf-16-le")[:-1], MALFORMED),
    raw("binary", bytes(range(256)), MALFORMED),
    raw("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00", MALFORMED),
    raw("deep array", b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", MALFORMED),
    raw("deep object", b'{"text": ' * 100_000 + b"1" + b"}" * 100_000, MALFORMED),
    raw("huge list", json.dumps({"text": ["a"] * 1_000_000}).encode(), MALFORMED),
    raw("integer of 5,000 digits", b'{"prompt": "a", "seed": ' + b"9" * 5000 + b"}", MALFORMED, None, GENERATE),
    raw("array", b'["a"]', INVALID),
    raw("empty array", b"[]", INVALID),
    raw("string", b'"a"', INVALID),
    raw("number", b"5", INVALID),
    raw("null", b"null", INVALID),
    raw("true", b"true", INVALID),
    raw("NaN", b"NaN", INVALID),
    *(raw(f"no field {path[4:]}", b"{}", INVALID, "prompt" if path == GENERATE else "text", path) for path in MINIMAL),
    raw("no target", b'{"text": "a"}', INVALID, "target", TRANSLATE),
    raw("unknown field", b'{"text": "a", "texts": "b"}', INVALID, "texts"),
    raw("unknown empty field", b'{"text": "a", "": "b"}', INVALID, ""),
    raw("unknown field with NUL", b'{"text": "a", "a\\u0000b": 1}', INVALID, "a\x00b"),
    raw("unknown field that is a surrogate", b'{"text": "a", "\\ud800": 1}', INVALID),
    raw("field of another case", b'{"Text": "a"}', INVALID, "text"),
    raw("field of another service", b'{"text": "a", "target": "de"}', INVALID, "target"),
]
HEADERS = [
    Bad(f"content type {kind!r}", SENTIMENT, *NOT_JSON, None, b'{"text": "a"}', kind)
    for kind in ("text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x")
]
TEXTS = [
    *(
        wrong(SENTIMENT, "text", name, literal)
        for name, literal in {
            "null": "null",
            "number": "5",
            "true": "true",
            "object": "{}",
            "NaN": "NaN",
            "empty list": "[]",
            "too long": json.dumps("a" * (LONGEST_TEXT + 1)),
            "too many": texts(257),
            "lone surrogate": r'"a \ud800"',
            "reversed surrogates": r'"\udc00\ud800"',
        }.items()
    ),
    *(
        wrong(SENTIMENT, "text.1", name, f'["a", {literal}]')
        for name, literal in {
            "with null": "null",
            "with number": "5",
            "with list": '["a"]',
            "with a surrogate": r'"\udfff"',
            "with one too long": json.dumps("a" * (LONGEST_TEXT + 1)),
        }.items()
    ),
    wrong(GENERATE, "prompt", "lone surrogate", r'"\ud800"'),
    wrong(SUMMARIZE, "text", "lone surrogate", r'"\ud800"'),
    wrong(TRANSLATE, "text", "lone surrogate", r'"\ud800"'),
    wrong(TRANSLATE, "text", "lone surrogate in the target language", r'"ein Text \ud800"', source="de", target="en"),
    wrong(GENERATE, "prompt", "empty list", "[]"),
    wrong(GENERATE, "prompt", "null", "null"),
    wrong(SENTIMENT, "text", "too many tokens", json.dumps("💖" * 100_000)),
    wrong(GENERATE, "prompt", "too many tokens", json.dumps("💖" * 100_000)),
    wrong(TRANSLATE, "text", "too many tokens", json.dumps("ɐ" * 100_000), source="en"),
    wrong(TRANSLATE, "text", "too many sentences", json.dumps("Ja.\n" * 2000), source="de", target="en"),
    wrong(SENTIMENT, "text", "too many tokens together", texts(256, "no " * 6000)),
]
LANGUAGES = [
    *(
        wrong(SENTIMENT, "language", name, literal)
        for name, literal in {
            "unknown": '"fr"',
            "empty": '""',
            "capitals": '"EN"',
            "null": "null",
            "number": "1",
            "list": '["en"]',
        }.items()
    ),
    wrong(TRANSLATE, "target", "unknown", '"fr"'),
    wrong(TRANSLATE, "target", "auto", '"auto"'),
    wrong(TRANSLATE, "target", "null", "null"),
    wrong(TRANSLATE, "source", "unknown", '"xx"'),
    wrong(TRANSLATE, "source", "de into ko", '"de"', NOT_SERVED, target="ko"),
    wrong(TRANSLATE, "source", "ko into de", '"ko"', NOT_SERVED, target="de"),
    wrong(TRANSLATE, "source", "into itself", '"de"', NOT_SERVED, target="de"),
]
INTEGERS = {
    "bool": "true",
    "float": "2.5",
    "string": '"2"',
    "exponent": "1e-1",
    "NaN": "NaN",
    "list": "[2]",
    "null": "null",
}
FLOATS = {"bool": "true", "string": '"0.5"', "NaN": "NaN", "Infinity": "Infinity", "-Infinity": "-Infinity",
          "overflow": "1e400", "huge integer": "1" + "0" * 400, "null": "null", "object": "{}"}  # fmt: skip
RANGES: dict[tuple[str, str], dict[str, str]] = {
    (TRANSLATE, "beam_size"): {"0": "0", "17": "17", "-1": "-1", "huge": "9" * 30, **INTEGERS},
    (TRANSLATE, "alternatives"): {"-1": "-1", "16": "16", "as many as hypotheses": "4", **INTEGERS},
    (SUMMARIZE, "beam_size"): {"0": "0", "17": "17"},
    (SUMMARIZE, "max_tokens"): {"0": "0", "257": "257", "-1": "-1", **INTEGERS},
    (GENERATE, "max_tokens"): {"0": "0", "2049": "2049", "-1": "-1", "huge": "9" * 30, **INTEGERS},
    (GENERATE, "temperature"): {"-1": "-1", "just negative": "-1e-300", "5.1": "5.1", **FLOATS},
    (GENERATE, "top_k"): {"-1": "-1", "100001": "100001", "bool": "true", "float": "1.5"},
    (GENERATE, "top_p"): {"0": "0", "1.1": "1.1", "-0.1": "-0.1", **FLOATS},
    (GENERATE, "min_p"): {"-0.1": "-0.1", "1.1": "1.1", "NaN": "NaN"},
    (GENERATE, "repetition_penalty"): {"0": "0", "-1": "-1", "tiny": "1e-300", "11": "11", "NaN": "NaN"},
    (GENERATE, "frequency_penalty"): {"-2.1": "-2.1", "2.1": "2.1", "NaN": "NaN"},
    (GENERATE, "seed"): {"2^63": str(2**63), "-2^63-1": str(-(2**63) - 1), "float": "1.5", "bool": "false", "s": '"1"'},
    (GENERATE, "stop"): {"empty": '""', "too long": json.dumps("a" * 201), "number": "5", "too many": texts(17),
                         "surrogate": r'"\ud800"'},
    (GENERATE, "stop.0"): {"list with empty": '[""]', "list with null": "[null]"},
    (GENERATE, "stream"): {"string": '"true"', "number": "1", "null": "null"},
}  # fmt: skip
PARAMETERS = [
    wrong(path, where, name, literal) for (path, where), values in RANGES.items() for name, literal in values.items()
]
SIZES = [
    Bad("body over the limit", SENTIMENT, *TOO_LARGE, None, b" " * (MOST_BYTES + 1)),
    Bad("body over the limit in chunks", SENTIMENT, *TOO_LARGE, None, b" " * (MOST_BYTES + 1), chunked=True),
    Bad("body far over the limit in chunks", GENERATE, *TOO_LARGE, None, b" " * (3 * MOST_BYTES), chunked=True),
    Bad("body over the limit, no JSON", SENTIMENT, *TOO_LARGE, None, b" " * (MOST_BYTES + 1), None),
    Bad("body over the limit, no such path", "/v1/poetry", *TOO_LARGE, None, b" " * (MOST_BYTES + 1)),
]
ROUTES = [
    *(Bad(f"{method} {path}", path, 405, "method_not_allowed", method=method)
      for method, path in (("GET", SENTIMENT), ("PUT", GENERATE), ("DELETE", SUMMARIZE), ("PATCH", TRANSLATE),
                           ("GET", GENERATE), ("POST", "/metrics"), ("POST", "/health/ready"), ("PUT", "/metrics"))),
    *(Bad(f"path {path}", path, 404, "not_found", body=b'{"text": "a"}')
      for path in ("/", "/v1", "/v1/poetry", "/v1/sentimen", "/V1/sentiment", "/v1/sentiment/x", "/v1//sentiment",
                   "/..%2f..%2fetc/passwd", "/%00", "/%ff", "/" + "x" * 5000)),
]  # fmt: skip
ALL = [*BODIES, *HEADERS, *TEXTS, *LANGUAGES, *PARAMETERS, *SIZES, *ROUTES]


def _send(client: httpx.Client, bad: Bad) -> httpx.Response:
    def chunks() -> Iterator[bytes]:
        for begin in range(0, len(bad.body), 65_536):
            yield bad.body[begin : begin + 65_536]

    content = chunks() if bad.chunked else bad.body
    headers = {} if bad.content_type is None else {"content-type": bad.content_type}
    return client.request(bad.method, bad.path, content=content, headers=headers)


@pytest.mark.parametrize("bad", ALL, ids=[bad.name for bad in ALL])
def test_bad_input_ends_in_its_error(client: httpx.Client, bad: Bad) -> None:
    reply = _send(client, bad)
    assert reply.status_code == bad.status, reply.text
    assert reply.headers["content-type"] == "application/json"
    content = reply.json()
    assert set(content) == {"error"}
    error = content["error"]
    assert set(error) == {"code", "message", "field"}
    assert error["code"] == bad.code
    assert error["field"] == bad.where
    assert error["message"]
    assert "constrained" not in error["message"]
    if bad.status == 405:
        assert reply.headers["allow"]


def test_there_are_no_two_of_a_kind() -> None:
    names = [bad.name for bad in ALL]
    assert len(set(names)) == len(names) > 150


def test_the_statuses_are_documented(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for bad in ALL:
        if bad.path in MINIMAL and bad.status != 405:
            assert str(bad.status) in paths[bad.path]["post"]["responses"], bad.name


@pytest.mark.parametrize("path", MINIMAL)
def test_the_request_that_the_bad_ones_differ_from_is_good(client: httpx.Client, path: str) -> None:
    assert client.post(path, json=MINIMAL[path]).status_code == 200


def test_bad_stream_requests_have_a_status_of_their_own(client: httpx.Client) -> None:
    reply = client.post(GENERATE, json={"prompt": "a", "stream": True, "top_p": 0})
    assert (reply.status_code, reply.json()["error"]["field"]) == (422, "top_p")
    reply = client.post(GENERATE, json={"prompt": "💖" * 100_000, "stream": True})
    assert (reply.status_code, reply.json()["error"]["field"]) == (422, "prompt")


def test_a_list_fails_as_a_whole(client: httpx.Client) -> None:
    reply = client.post(TRANSLATE, json={"text": ["Guten Tag.", "ɐ" * 100_000], "source": "de", "target": "en"})
    assert (reply.status_code, reply.json()["error"]["field"]) == (422, "text")


def test_other_encodings_of_json_are_read(client: httpx.Client) -> None:
    body = json.dumps({"text": "좋아요"}, ensure_ascii=False)
    alone = client.post(SENTIMENT, content=body.encode(), headers=JSON).json()
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        reply = client.post(SENTIMENT, content=body.encode(encoding), headers=JSON)
        assert reply.json() == alone
    headers = {"content-type": "application/json; charset=utf-8"}
    assert client.post(SENTIMENT, content=body.encode(), headers=headers).json() == alone


def test_the_server_is_well_after_all_of_them(client: httpx.Client) -> None:
    expected = [client.post(path, json=body).json() for path, body in MINIMAL.items() if path != GENERATE]
    for bad in ALL:
        if len(bad.body) < 100_000:
            _send(client, bad)
    assert client.get("/health/ready").json() == {"status": "ready"}
    assert "rondo_num_rows_running 0.0" in client.get("/metrics").text
    assert [client.post(path, json=body).json() for path, body in MINIMAL.items() if path != GENERATE] == expected


def test_a_client_that_sends_a_body_over_the_limit_sees_why(client: httpx.Client) -> None:
    """The connection was once reset while the body was still being sent, and asyncio's clients lost the reply."""

    async def ask() -> int:
        async with httpx.AsyncClient(base_url=client.base_url, timeout=30.0) as asking:
            content = b"a" * 8_000_001
            reply = await asking.post("/v1/sentiment", content=content, headers={"content-type": "application/json"})
            return reply.status_code

    assert asyncio.run(ask()) == 413

"""Bytes as no HTTP library would send them: made from a seed, so that a case can be had again."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass

_PATHS = (
    *("/v1/sentiment", "/v1/translate", "/v1/summarize", "/v1/generate", "/v1/completions", "/v1/models"),
    *("/translate", "/detect", "/languages", "/v2/models/sentiment/infer", "/v2", "/models/sentiment", "/predict"),
    *("/health/ready", "/metrics", "/nothing"),
)
_BODIES = (
    {"text": "A fine day."},
    {"text": "A fine day.", "target": "de", "beam_size": 1},
    {"prompt": "A", "max_tokens": 1},
    {"inputs": "A fine day."},
    {"q": "A fine day.", "source": "en", "target": "de"},
    {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["A fine day."]}]},
)
_METHODS = ("POST", "POST", "POST", "GET", "PUT", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PATCH", "FOO")
_BODY_BYTES = 8_000_000
"""More than this the server takes from nobody."""


@dataclass(frozen=True, slots=True)
class RawCase:
    """What is written to a connection.

    Attributes:
        parts: written one after another, with a pause between them.
        awaits_reply: whether the server has all that it needs to answer something.
    """

    kind: str
    parts: list[bytes]
    awaits_reply: bool


def request_bytes(draw: random.Random, *, body: bytes | None = None, headers: str = "") -> bytes:
    """A request that is well-formed, if not always right."""
    own = json.dumps(draw.choice(_BODIES)).encode() if body is None else body
    head = f"{draw.choice(_METHODS)} {draw.choice(_PATHS)} HTTP/1.1\r\nHost: localhost\r\n{headers}"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(own)}\r\n\r\n".encode() + own


def _whole(draw: random.Random) -> RawCase:
    return RawCase("whole", [request_bytes(draw)], True)


def _truncated(draw: random.Random) -> RawCase:
    whole = request_bytes(draw)
    return RawCase("truncated", [whole[: draw.randrange(len(whole))]], False)


def _mutated(draw: random.Random) -> RawCase:
    raw = bytearray(request_bytes(draw))
    for _ in range(draw.randint(1, 8)):
        place = draw.randrange(len(raw))
        change = draw.randrange(3)
        if change == 0:
            raw[place] = draw.randrange(256)
        elif change == 1:
            raw[place:place] = draw.randbytes(draw.randint(1, 4))
        else:
            del raw[place]
    return RawCase("mutated", [bytes(raw)], False)


def _noise(draw: random.Random) -> RawCase:
    return RawCase("noise", [draw.randbytes(draw.randint(1, 400))], False)


def _oversized(draw: random.Random) -> RawCase:
    size = draw.choice((20_000, 70_000, 200_000))
    kind = draw.randrange(4)
    if kind == 0:
        return RawCase("long head", [request_bytes(draw, headers=f"X-Long: {'a' * size}\r\n")], True)
    if kind == 1:
        path = f"GET /{'a' * size} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        return RawCase("long path", [path.encode()], True)
    if kind == 2:
        many = "".join(f"X-{number}: a\r\n" for number in range(size // 20))
        return RawCase("many fields", [request_bytes(draw, headers=many)], True)
    head = f"POST {draw.choice(_PATHS)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {10 * _BODY_BYTES}\r\n\r\n"
    return RawCase("long body", [head.encode() + b"{" * 1000], False)


def _misencoded(draw: random.Random) -> RawCase:
    text = json.dumps(draw.choice(_BODIES), ensure_ascii=False)
    bodies: tuple[Callable[[], bytes], ...] = (
        lambda: text.replace("fine", "f\u00fcne").encode("latin-1"),
        lambda: text.encode("utf-16"),
        lambda: text.encode("utf-7")[:-2],
        lambda: text.replace("fine", "\\ud800").encode(),
        lambda: text.replace("fine", "\\u0000").encode(),
        lambda: b"[" * draw.randint(1, 5000),
        lambda: b"\xff\xfe\xfa" + text.encode(),
        lambda: text.replace('"', "'").encode(),
    )
    return RawCase("misencoded", [request_bytes(draw, body=draw.choice(bodies)())], True)


def _chunked(draw: random.Random) -> RawCase:
    head = f"POST {draw.choice(_PATHS)} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    body = json.dumps(draw.choice(_BODIES)).encode()
    size = draw.choice((b"%x" % len(body), b"ffffffffffffffff1", b"-1", b"zz", b"", b"%x;a=b" % len(body)))
    whole = head + size + b"\r\n" + body + b"\r\n" + draw.choice((b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"1\r\n", b""))
    return RawCase("chunked", [whole], False)


def _contradictory(draw: random.Random) -> RawCase:
    headers = draw.choice(
        (
            "Content-Length: 3\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: many\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip\r\n",
            "Expect: 100-continue\r\n",
            "Connection: upgrade\r\nUpgrade: websocket\r\n",
            "Host: other\r\n",
            "X-Request-Timeout-Ms: \u00b2\r\n",
            "X-Priority: \r\n",
            "Content-Encoding: gzip\r\n",
            "Inference-Header-Content-Length: 99999\r\n",
            " folded: a\r\n",
            "no colon\r\n",
        )
    )
    return RawCase("contradictory", [request_bytes(draw, headers=headers)], False)


def _pipelined(draw: random.Random) -> RawCase:
    return RawCase("pipelined", [b"".join(request_bytes(draw) for _ in range(draw.randint(2, 6)))], True)


def _slow(draw: random.Random) -> RawCase:
    whole = request_bytes(draw)
    cuts = sorted(draw.sample(range(1, len(whole)), draw.randint(2, 6)))
    ends = [*cuts, len(whole)]
    return RawCase("slow", [whole[begin:end] for begin, end in zip([0, *cuts], ends, strict=True)], True)


_KINDS = (
    *(_whole, _truncated, _mutated, _mutated, _noise, _oversized),
    *(_misencoded, _misencoded, _chunked, _contradictory, _pipelined, _slow),
)


def raw_case(number: int) -> RawCase:
    """The case with this number, always the same."""
    draw = random.Random(number)
    return draw.choice(_KINDS)(draw)

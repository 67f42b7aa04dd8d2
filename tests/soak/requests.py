"""The requests of the soak: all services, good and bad, patient and not; and the ends that are documented."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.texts import ENGLISH, GERMAN, KOREAN

DOCUMENTED: Mapping[int, frozenset[str]] = {
    400: frozenset({"malformed_json", "malformed_state"}),
    404: frozenset({"not_found"}),
    405: frozenset({"method_not_allowed"}),
    413: frozenset({"body_too_large"}),
    415: frozenset({"unsupported_media_type"}),
    422: frozenset({"invalid_input", "not_served"}),
    429: frozenset({"overloaded"}),
    503: frozenset({"engine_restarted", "engine_failed", "not_ready"}),
    504: frozenset({"timed_out"}),
}
"""Codes by status, as in docs/serving.md."""
IN_MID_STREAM = DOCUMENTED[503] | DOCUMENTED[504]
ENDS_OF_GOOD = frozenset({200, 429, 503, 504})
MOST_BODY_BYTES = 8_000_000
_JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request.

    Attributes:
        kind: under which it is counted.
        content: JSON fields, or a body as it is.
        statuses: in which it may end.
        leaves_after_s: when the client closes the connection; None: it stays.
    """

    kind: str
    path: str
    content: Mapping[str, Any] | bytes
    statuses: frozenset[int] = ENDS_OF_GOOD
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    leaves_after_s: float | None = None

    @property
    def streams(self) -> bool:
        """Whether events are asked for."""
        return isinstance(self.content, Mapping) and bool(self.content.get("stream"))


def _bad(status: int, path: str, content: Mapping[str, Any] | bytes, **others: Any) -> Asked:
    return Asked("bad input", path, content, frozenset({status}), **others)


BAD = (
    _bad(400, "/v1/sentiment", b'{"text": "broken off', headers=_JSON),
    _bad(400, "/v1/generate", {"prompt": "", "state": "AAAA"}),
    _bad(404, "/v1/nothing", {"text": "a"}),
    _bad(405, "/v1/translate", b"", method="GET"),
    _bad(413, "/v1/summarize", b"a" * (MOST_BODY_BYTES + 1), headers=_JSON),
    _bad(415, "/v1/sentiment", b'{"text": "a"}', headers={"content-type": "text/plain"}),
    _bad(422, "/v1/sentiment", {}),
    _bad(422, "/v1/summarize", {"text": 5}),
    _bad(422, "/v1/translate", {"text": "a", "target": "xx"}),
    _bad(422, "/v1/translate", {"text": "a", "source": "de", "target": "ko"}),
    _bad(422, "/v1/generate", {"prompt": "a", "max_tokens": 0}),
    _bad(422, "/v1/generate", {"prompt": "a", "unknown": 1}),
    _bad(422, "/v1/sentiment", {"text": "a"}, headers={"x-priority": "urgent"}),
)


class Mix:
    """Draws requests at random, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def draw(self) -> Asked:
        """The next request."""
        kinds: Mapping[Callable[[], Asked], int] = {
            self._good: 60,
            self._long: 4,
            self._late: 12,
            self._leaving: 12,
            self._bad: 10,
            self._looking: 2,
        }
        (chosen,) = self._random.choices(list(kinds), list(kinds.values()))
        return chosen()

    def _text(self, most_sentences: int = 5) -> str:
        sentences = self._random.choice((ENGLISH, GERMAN, KOREAN))
        return " ".join(self._random.choices(sentences, k=self._random.randint(1, most_sentences)))

    def _texts(self) -> str | list[str]:
        if self._random.random() < 0.8:
            return self._text()
        return [self._text() for _ in range(self._random.randint(1, 8))]

    def _good(self) -> Asked:
        draw = self._random
        headers = {"x-priority": draw.choice(("interactive", "batch"))}
        match draw.choice(("sentiment", "translate", "summarize", "generate", "stream")):
            case "sentiment":
                return Asked("sentiment", "/v1/sentiment", {"text": self._texts()}, headers=headers)
            case "translate":
                fields = {"text": self._texts(), "target": draw.choice(("en", "de")), "beam_size": draw.randint(1, 4)}
                return Asked("translation", "/v1/translate", fields, headers=headers)
            case "summarize":
                fields = {"text": self._texts(), "beam_size": draw.randint(1, 4)}
                return Asked("summarization", "/v1/summarize", fields, headers=headers)
            case kind:
                return Asked(kind, "/v1/generate", self._generation(streamed=kind == "stream"), headers=headers)

    def _generation(self, *, streamed: bool) -> dict[str, Any]:
        draw = self._random
        fields: dict[str, Any] = {"prompt": self._texts(), "max_tokens": draw.randint(1, 60), "stream": streamed}
        return {**fields, "temperature": draw.choice((0.0, 0.8)), "return_state": draw.random() < 0.3}

    def _long(self) -> Asked:
        """Some thousand tokens in one text."""
        path, name = self._random.choice((("sentiment", "text"), ("summarize", "text"), ("generate", "prompt")))
        return Asked("long", f"/v1/{path}", {name: self._text(most_sentences=200)})

    def _late(self) -> Asked:
        """The client waits for some milliseconds only."""
        good = self._good()
        headers = {"x-request-timeout-ms": str(self._random.choice((1, 5, 20, 100, 400)))}
        return Asked("deadline", good.path, good.content, headers=headers)

    def _leaving(self) -> Asked:
        """The client goes away before the answer, or does not."""
        good = self._good()
        return Asked("leaving", good.path, good.content, leaves_after_s=self._random.uniform(0, 0.3))

    def _bad(self) -> Asked:
        return self._random.choice(BAD)

    def _looking(self) -> Asked:
        path = self._random.choice(("/metrics", "/health/ready", "/v1/models"))
        statuses = frozenset({200, 503}) if path == "/health/ready" else frozenset({200})
        return Asked("operations", path, b"", statuses, method="GET")

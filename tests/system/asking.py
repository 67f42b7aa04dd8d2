"""Texts to ask about, and how to ask a server for them."""

import json
import re
import time
import unicodedata
from collections.abc import Callable
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

TEXTS = {
    "en": "The weather is lovely today, and we want to walk along the river.",
    "de": "Das Wetter ist heute sehr schön, und wir wollen am Fluss spazieren gehen.",
    "ko": "오늘은 날씨가 아주 좋아서 우리는 강을 따라 걷고 싶어요.",
}
REVIEWS = {
    "en": ["What a wonderful film, I loved every minute!", "A boring, stupid waste of time. Terrible acting."],
    "ko": ["정말 재미있고 감동적인 최고의 영화!", "너무 지루하고 재미없다. 시간이 아까운 최악의 영화"],
}
PAIRS = [("en", "de"), ("de", "en"), ("en", "ko"), ("ko", "en")]
ENDLESS: dict[str, Any] = {"temperature": 0, "repetition_penalty": 0.01, "frequency_penalty": -2}
"""Makes the model repeat what it has seen, so that the end symbol never comes, whatever its weights."""
HANGUL = re.compile("[\uac00-\ud7a3]")
ODD_TEXTS = {
    "emoji": "I 💖 it 👩‍👩‍👧 very much 🇰🇷!",
    "nul": "one\x00two three",
    "decomposed": unicodedata.normalize("NFD", "한국어 문장이에요. Ein schöner Tag."),
    "control symbols": "<s> </s> <2de> <summary> <unk> ▁▁",
    "right to left": "مرحبا بالعالم \u202etxet",
    "rare": "𒀀𒀁 𠀀 ﷽ \ufffd \u2028 \ufeff",
    "white space": " \t\n\u00a0\u3000 ",
    "empty": "",
    "digits": "1234567890",
}


def post(client: httpx.Client, path: str, **body: Any) -> list[dict[str, Any]]:
    reply = client.post(path, json=body)
    assert reply.status_code == 200, reply.text
    content = reply.json()
    assert set(content) == {"model", "results"}
    results: list[dict[str, Any]] = content["results"]
    return results


def generate(client: httpx.Client, prompt: str, **options: Any) -> dict[str, Any]:
    (result,) = post(client, "/v1/generate", prompt=prompt, **options)
    return result


def events(client: httpx.Client, **body: Any) -> list[dict[str, Any]]:
    """All events of a stream, whose framing is checked on the way."""
    with client.stream("POST", "/v1/generate", json={**body, "stream": True}) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/event-stream")
        content = "".join(reply.iter_text())
    assert content.endswith("\n\n")
    lines = content.removesuffix("\n\n").split("\n\n")
    assert all(line.startswith("data: ") for line in lines)
    data = [line.removeprefix("data: ") for line in lines]
    assert data[-1] == "[DONE]"
    return [json.loads(event) for event in data[:-1]]


def joined(pieces: list[dict[str, Any]], index: int = 0) -> str:
    return "".join(piece["text"] for piece in pieces if piece["index"] == index)


def metric(client: httpx.Client, name: str, **labels: str) -> float:
    """The value of a metric now; 0 where it was never counted."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


def wait_until(holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.02)

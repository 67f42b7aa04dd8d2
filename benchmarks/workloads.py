"""Which requests each service is sent: the same bodies for every server that is compared."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.texts import ENGLISH, GERMAN, KOREAN, PACKAGES

GENERATED_TOKENS = 32
_LONGEST_PROMPT_WORDS = 6

TEXTS: Mapping[str, Sequence[str]] = {
    "sentiment": (*ENGLISH, *KOREAN),
    "translation": GERMAN,
    "summarization": PACKAGES,
    "generation": tuple(
        " ".join(text.split()[: 1 + number % _LONGEST_PROMPT_WORDS]) for number, text in enumerate((*ENGLISH, *KOREAN))
    ),
}
SERVICES = tuple(TEXTS)


@dataclass(frozen=True, slots=True)
class Workload:
    """The requests of one service.

    Attributes:
        answer_field: of a result, what has to be the same from every server.
        detects_language: whether the service finds out the language of each text.
        options: fields of every request, stronger than those that it has otherwise.
    """

    service: str
    path: str
    texts: tuple[str, ...]
    answer_field: str
    detects_language: bool
    options: Mapping[str, Any] = field(default_factory=dict)

    def fields(self, text: str) -> dict[str, Any]:
        """The request for one text."""
        return {**self._usual_fields(text), **self.options}

    def _usual_fields(self, text: str) -> dict[str, Any]:
        match self.service:
            case "sentiment":
                return {"text": text}
            case "translation":
                return {"text": text, "source": "de", "target": "en", "beam_size": 1}
            case "summarization":
                return {"text": text, "beam_size": 1}
            case "generation":
                return {"prompt": text, "max_tokens": GENERATED_TOKENS, "temperature": 0.0}
        raise ValueError(f"unknown service {self.service!r}; choose among {', '.join(SERVICES)}")

    def bodies(self) -> list[str]:
        """One JSON body a text."""
        return [json.dumps(self.fields(text), ensure_ascii=False) for text in self.texts]


def workload(service: str, data: Path | None = None) -> Workload:
    """The workload of `service`, with the texts of this folder or one text a line from `data`.

    Raises:
        ValueError: the service is unknown, or `data` has no text.
    """
    if service not in TEXTS:
        raise ValueError(f"unknown service {service!r}; choose among {', '.join(SERVICES)}")
    texts = TEXTS[service]
    if data is not None:
        texts = [line for line in data.read_text(encoding="utf-8").splitlines() if line.strip()]
        if not texts:
            raise ValueError(f"{data} has no text")
    path, answer_field, detects_language = {
        "sentiment": ("/v1/sentiment", "label", True),
        "translation": ("/v1/translate", "translation", False),
        "summarization": ("/v1/summarize", "summary", True),
        "generation": ("/v1/generate", "text", False),
    }[service]
    return Workload(service, path, tuple(texts), answer_field, detects_language)

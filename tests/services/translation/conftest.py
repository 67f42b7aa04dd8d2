"""A translation service over the vocabulary that comes with Rondo, and engines that write what a test wants."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rondo_models.decoding.parameters import Hypothesis
from rondo_services.engine.requests import Search
from rondo_services.translation.schema import TranslationResult
from rondo_services.translation.service import TranslationOptions, TranslationService
from rondo_tokenizers.vocabulary import Tokenizer

BUNDLE = Path(__file__).parents[3] / "bundles" / "rondo-base"

Write = Callable[[str], Sequence[str]]
"""The translations of what the encoder reads, best first."""


class FakeEngine:
    """Writes what it is told to; each token looks at the source token of the same number.

    Attributes:
        rounds: what was asked for, round by round.
    """

    def __init__(self, tokenizer: Tokenizer, write: Write, reason: str = "stop") -> None:
        self._tokenizer = tokenizer
        self._write = write
        self._reason = reason
        self.rounds: list[list[Search]] = []

    def read(self, work: Search) -> str:
        return self._tokenizer.decode(work.ids)

    async def run(self, works: Sequence[Search]) -> list[list[Hypothesis]]:
        self.rounds.append(list(works))
        return [self._answer(work) for work in works]

    def _answer(self, work: Search) -> list[Hypothesis]:
        answers = []
        for number, text in enumerate(self._write(self.read(work))):
            ids = tuple(self._tokenizer.encode(text))
            attention = None
            if work.return_attention:
                width = len(work.ids)
                attention = tuple(
                    tuple(float(i == min(row, width - 1)) for i in range(width)) for row in range(len(ids) + 1)
                )
            answers.append(Hypothesis(ids, -1.0 - number, -1.0 - number, self._reason, attention))
        return answers


class Translator:
    """The service with an engine of its own for each text."""

    def __init__(self, service: TranslationService) -> None:
        self.service = service

    def engine(self, write: Write, reason: str = "stop") -> FakeEngine:
        return FakeEngine(self.service.tokenizer, write, reason)

    def translate(self, text: str, engine: FakeEngine, **options: Any) -> TranslationResult:
        how = TranslationOptions(**{"source": "en", "target": "de", **options})
        (result,) = asyncio.run(self.service.translate([self.service.plan(text, how)], engine.run))
        return result


@pytest.fixture(scope="session")
def translator() -> Translator:
    tokenizer = Tokenizer.load(BUNDLE / "tokenizer.model")
    return Translator(
        TranslationService(tokenizer, "translation", [("en", "de"), ("de", "en"), ("ko", "en"), ("en", "ko")])
    )

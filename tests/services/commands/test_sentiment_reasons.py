"""`rondo sentiment --explain`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from typer.testing import CliRunner

from rondo_services.cli import app
from rondo_services.commands import answering
from rondo_services.sentiment.schema import SentimentResult, TokenSaliency


class _Client:
    """Explains if it is asked to."""

    def sentiment(self, texts: list[str], *, explain: bool = False) -> list[SentimentResult]:
        tokens = [TokenSaliency(text="Not", saliency=4.5), TokenSaliency(text=" ", saliency=0.25)]
        tokens.append(TokenSaliency(text="good\n", saliency=-2.371))
        result = SentimentResult(
            label="negative", score=0.75, scores={}, language="en", tokens=tokens if explain else None
        )
        return [result for _ in texts]


@pytest.fixture(autouse=True)
def client(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def fake(*_: Any) -> Iterator[_Client]:
        yield _Client()

    monkeypatch.setattr(answering, "_client", fake)


def test_each_token_comes_with_its_saliency_in_a_third_field() -> None:
    output = CliRunner().invoke(app, ["sentiment", "--explain", "Not  good\n"]).output
    assert output == "negative\t0.7500\tNot(+4.50) ␣(+0.25) good(-2.37)\n"


def test_there_is_no_third_field_unless_it_is_asked_for() -> None:
    assert CliRunner().invoke(app, ["sentiment", "Not  good\n"]).output == "negative\t0.7500\n"

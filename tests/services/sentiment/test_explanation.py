"""Saliencies of a text's parts: the parts are the text, and nothing of the sum is lost."""

import random

import pytest

from rondo_services.errors import InvalidInput
from rondo_services.reading import readable
from rondo_services.sentiment.explanation import token_saliencies
from rondo_services.sentiment.service import LONGEST_EXPLAINED, SentimentService
from rondo_tokenizers.normalization import compose
from rondo_tokenizers.training import train_vocabulary
from rondo_tokenizers.vocabulary import Tokenizer

LINES = ["The boat is slow.", "Das Boot ist langsam.", "배가 천천히 간다.", "The train is late today."]
TEXTS = [
    "The boat is slow.",
    "",
    " ",
    "   two  spaces\n\tand\r\nlines ",
    "ein Boot — 기차가 🚂 간다",
    "👩‍👩‍👧 x́ \u2581\0 e\u0301 \u1112\u1161\u11ab",
    "\u2581",
    "\0",
    "\ufffd?",
    "</s> <pad> <2de>",
    "🚂",
    "\ufeffSo\u00a0slo\u00adw a\u3000boat\u200b",
]


@pytest.fixture(scope="module")
def service() -> SentimentService:
    tokenizer = Tokenizer(train_vocabulary(LINES, size=320, languages=("en",), exact=False))
    return SentimentService(tokenizer, "sentiment", ("negative", "positive"), ["en"])


@pytest.mark.parametrize("text", TEXTS)
def test_the_parts_are_the_composed_text(service: SentimentService, text: str) -> None:
    rng = random.Random(1)
    ids = service.explanation(text).ids
    saliency = [*(rng.uniform(-1, 1) for _ in ids[:-1]), 0.0]
    entries = token_saliencies(service.tokenizer, text, ids, saliency)
    assert "".join(entry.text for entry in entries) == compose(text)
    assert all(entry.text for entry in entries)
    if text:
        assert sum(entry.saliency for entry in entries) == pytest.approx(sum(saliency))


@pytest.mark.parametrize("odd", ["The\u00a0boat is slow.", "\ufeffThe bo\u00adat\u2009is slow."])
def test_odd_spaces_and_what_nobody_sees_make_no_difference(service: SentimentService, odd: str) -> None:
    """They reached the model as bytes."""
    assert service.work(odd) == service.work("The boat is slow.")


@pytest.mark.parametrize("text", ["e\u200d\u0301 bad film here", "Ａ\u0308rger und Zorn sind hier"])
def test_what_parts_a_letter_from_its_mark_displaces_no_entry(service: SentimentService, text: str) -> None:
    ids = service.explanation(text).ids
    entries = token_saliencies(service.tokenizer, text, ids, [1.0] * len(ids))
    assert "".join(entry.text for entry in entries) == compose(readable(text))


def test_bytes_of_a_character_are_one_entry_with_their_sum(service: SentimentService) -> None:
    ids = service.explanation("a🚂").ids
    entries = token_saliencies(service.tokenizer, "a🚂", ids, [1.0] * len(ids))
    assert [entry.text for entry in entries] == ["a", "🚂"]
    assert entries[1].saliency == 4.0


def test_a_long_text_is_refused_with_its_length(service: SentimentService) -> None:
    longest = "배" * 2000
    size = len(service.work(longest).ids)
    with pytest.raises(InvalidInput, match=f"text: {size} tokens; at most {LONGEST_EXPLAINED}") as caught:
        service.explanation(longest)
    assert caught.value.field == "text"

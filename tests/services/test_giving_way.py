"""A thread that plans long texts lets others go first; no other thread does."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rondo_models.manifest import read_contents
from rondo_services.giving_way import give_way, giving_way, this_thread_gives_way
from rondo_services.server.settings import default_bundle
from rondo_services.summarization.service import SummarizationService, SummaryOptions
from rondo_services.text import encode_text
from rondo_tokenizers.vocabulary import Tokenizer

SENTENCES = "The boat is small. It lies near the pond, and nobody rows it. "


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads that gave way, once for each time."""
    found: list[int] = []
    monkeypatch.setattr(time, "sleep", lambda _: found.append(threading.get_ident()))
    return found


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(read_contents(Path(default_bundle())).tokenizer)


def _on_a_giving_thread(work: Callable[[], object]) -> None:
    def run() -> None:
        this_thread_gives_way()
        work()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_only_a_thread_that_said_so_gives_way(pauses: list[int]) -> None:
    give_way()
    assert pauses == []
    _on_a_giving_thread(give_way)
    assert len(pauses) == 1
    give_way()
    assert len(pauses) == 1


def test_items_come_as_they_are_with_pauses_between(pauses: list[int]) -> None:
    _on_a_giving_thread(lambda: [*giving_way("abcdefg", every=3)])
    assert len(pauses) == 2
    assert [*giving_way("abcdefg", every=3)] == [*"abcdefg"]


def test_a_long_text_is_encoded_in_turns(pauses: list[int], tokenizer: Tokenizer) -> None:
    text = SENTENCES * 400
    _on_a_giving_thread(lambda: encode_text(tokenizer, text))
    assert len(pauses) >= len(text) // 4096
    assert encode_text(tokenizer, text) == tuple(tokenizer.encode(text))


def test_a_long_summary_is_planned_in_turns(pauses: list[int], tokenizer: Tokenizer) -> None:
    service = SummarizationService(tokenizer, "summarization", ("en",), 256)
    _on_a_giving_thread(lambda: service.plan(SENTENCES * 400, SummaryOptions()))
    assert len(pauses) >= 3 * 800 // 64  # the sentences, their words and their tokens

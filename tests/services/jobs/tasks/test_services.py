"""What a job writes of a text is what the native API answers for it."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import httpx
import pytest
from tests.approximately import approximately
from tests.services.conftest import LINES

from rondo_services.engine.requests import Work
from rondo_services.errors import EngineFailed, InvalidInput, NotServed
from rondo_services.evaluation.perplexity import token_nats
from rondo_services.inprocess import InProcess
from rondo_services.jobs.asking import batch_asker
from rondo_services.jobs.items import BadItem, Item
from rondo_services.jobs.spec import JobInput, JobService, JobSpec
from rondo_services.jobs.tasks.choice import task_of
from rondo_services.local import LocalSuite
from rondo_services.releases.fleet import Fleet
from rondo_services.server.app import create_app
from rondo_services.server.metrics import ServerMetrics
from rondo_services.server.settings import ServerSettings
from rondo_services.text import source_ids

PATHS = {
    "sentiment": "/v1/sentiment",
    "translation": "/v1/translate",
    "summarization": "/v1/summarize",
    "generation": "/v1/generate",
}
ENGLISH = [line for line in LINES if line.isascii() and line.startswith(("The", "A "))]
LONG = " ".join(ENGLISH * 3)

Native = Callable[[str, dict[str, Any]], dict[str, Any]]


@pytest.fixture
def native(suite: LocalSuite) -> Iterator[Native]:
    """The native API's result for one text."""
    transport = InProcess(create_app(Fleet.of(suite), ServerSettings(), ServerMetrics()))
    with httpx.Client(transport=transport, base_url="http://test") as client:

        def ask(path: str, body: dict[str, Any]) -> dict[str, Any]:
            reply = client.post(path, json=body)
            assert reply.status_code == 200, reply.text
            (result,) = reply.json()["results"]
            assert isinstance(result, dict)
            return result

        yield ask


def _spec(service: JobService, options: dict[str, Any]) -> JobSpec:
    return JobSpec(service=service, input=JobInput(source="texts.txt"), options=options)


def _items(texts: Sequence[str], **more: Any) -> list[Item]:
    return [Item(index, index + 1, text, **more) for index, text in enumerate(texts)]


def _as_sure_as(suite: LocalSuite, expected: list[Any]) -> list[Any]:
    """What was asked for in other company, to be compared to the last bit only where that is none of its matter."""
    return expected if suite.engine.is_batch_invariant else approximately(expected)


def _answers(suite: LocalSuite, service: JobService, items: Sequence[Item], **options: Any) -> list[Any]:
    async def ask() -> list[Any]:
        return await task_of(_spec(service, options), suite).answer(items, batch_asker(suite).ask)

    return json.loads(json.dumps(asyncio.run(ask()), default=asdict))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("service", "options"),
    [
        ("sentiment", {}),
        ("sentiment", {"language": "ko"}),
        ("sentiment", {"explain": True}),
        ("translation", {"source": "en", "target": "de", "beam_size": 1}),
        ("translation", {"source": "en", "target": "de", "beam_size": 3, "alternatives": 2}),
        ("translation", {"target": "de", "beam_size": 2, "explain": True}),
        ("translation", {"source": "en", "target": "de", "glossary": {"boat": "Kahn"}}),
        ("translation", {"source": "en", "target": "de", "rerank": 0.5}),
        ("summarization", {}),
        ("summarization", {"max_tokens": 3, "beam_size": 2}),
    ],
)
def test_the_fields_are_those_of_the_native_api(
    suite: LocalSuite, native: Native, service: JobService, options: dict[str, Any]
) -> None:
    texts = [*ENGLISH, LONG]
    asked = {**options, "format": "text"} if service == "translation" else options
    expected = [native(PATHS[service], {**asked, "text": text}) for text in texts]
    assert _answers(suite, service, _items(texts), **options) == _as_sure_as(suite, expected)


@pytest.mark.parametrize(
    "options",
    [
        {"max_tokens": 8},
        {"max_tokens": 20, "seed": 7, "temperature": 2.0},
        {"max_tokens": 8, "seed": -3, "logprobs": 2},
        {"max_tokens": 30, "temperature": 3.0, "stop": ["a", "e"]},
        {"max_tokens": 30, "temperature": 3.0, "stop": "oa", "logprobs": 1},
        {"max_tokens": 5, "stop": []},
    ],
)
def test_each_prompt_is_continued_as_with_a_seed_of_its_own(
    suite: LocalSuite, native: Native, options: dict[str, Any]
) -> None:
    expected = []
    for index, text in enumerate(ENGLISH):
        result = native(PATHS["generation"], {**options, "prompt": text, "seed": options.get("seed", 0) + index})
        expected.append({"continuation": result.pop("text"), **result})
    found = _answers(suite, "generation", _items(ENGLISH), **options)
    assert found == _as_sure_as(suite, expected)
    if options.get("stop"):
        assert any(one["finish_reason"] == "stop" for one in found)


def test_a_record_has_the_same_seed_in_whatever_chunk_it_is(suite: LocalSuite) -> None:
    options = {"max_tokens": 12, "temperature": 2.0}
    items = _items(ENGLISH * 2)
    together = _answers(suite, "generation", items, **options)
    assert [_answers(suite, "generation", [item], **options)[0] for item in items] == _as_sure_as(suite, together)
    assert together[: len(ENGLISH)] != together[len(ENGLISH) :]


def test_perplexity_is_the_models_over_lines_that_end(suite: LocalSuite) -> None:
    text = "The boat is slow.\nThe train\n\n is late today."
    (found,) = _answers(suite, "perplexity", _items([text]))
    ids = [identifier for line in text.split("\n") for identifier in source_ids(suite.tokenizer, line)]
    nats = token_nats(suite.bundle.model, "generation", ids, suite.tokenizer.start_id)
    assert found == {
        "nats": pytest.approx(float(nats.sum()), rel=1e-3),
        "num_tokens": len(ids),
        "num_words": len(text.split()) + 4,
    }


def test_an_empty_text_has_a_perplexity_too(suite: LocalSuite) -> None:
    (found,) = _answers(suite, "perplexity", _items([""]))
    assert (found["num_tokens"], found["num_words"]) == (1, 1)


@pytest.mark.parametrize(
    ("language", "source", "expected"), [("de", "auto", "de"), (None, "auto", "en"), ("de", "en", "en")]
)
def test_a_records_language_counts_unless_the_job_tells_one(
    suite: LocalSuite, language: str | None, source: str, expected: str
) -> None:
    target = "en" if expected == "de" else "de"
    (found,) = _answers(
        suite, "translation", _items(["The boat is late today."], language=language), source=source, target=target
    )
    assert found["source"] == expected


def test_a_text_that_can_not_be_answered_spoils_no_other(suite: LocalSuite) -> None:
    texts = [ENGLISH[0], "\ud800", ENGLISH[1], "a " * 30_000, ENGLISH[2]]
    for service, options in (("sentiment", {}), ("generation", {"max_tokens": 2}), ("perplexity", {})):
        found = _answers(suite, service, _items(texts), **options)  # type: ignore[arg-type]
        alone = _answers(suite, service, [item for item in _items(texts) if item.index % 2 == 0], **options)  # type: ignore[arg-type]
        assert found[::2] == _as_sure_as(suite, alone)
        assert [one["line"] for one in found[1::2]] == [2, 4]
        assert "tokens in one piece; at most 20000" in found[3]["reason"]


def test_pairs_that_are_not_served_are_bad_records(suite: LocalSuite) -> None:
    items = [Item(0, 1, "The boat.", language="en"), Item(1, 2, "배가 천천히 간다.", language="ko")]
    good, bad = _answers(suite, "translation", items, target="de")
    assert good["target"] == "de"
    assert bad["line"] == 2
    assert "ko" in bad["reason"]


def test_how_long_a_text_may_be_can_be_told(suite: LocalSuite) -> None:
    """It was as the server has it by default, whatever the server was told."""

    async def answers(service: JobService, options: dict[str, Any]) -> list[Any]:
        task = task_of(_spec(service, options), suite, longest_piece=20)
        return await task.answer(_items([ENGLISH[0], "a " * 100]), batch_asker(suite).ask)

    for service, options in (("sentiment", {}), ("generation", {}), ("translation", {"target": "de"})):
        good, bad = asyncio.run(answers(service, options))  # type: ignore[arg-type]
        assert not isinstance(good, BadItem)
        assert isinstance(bad, BadItem)
        assert "tokens in one piece; at most 20" in bad.reason


@pytest.mark.parametrize("service", ["sentiment", "translation", "summarization", "generation", "perplexity"])
def test_no_items_are_no_answers(suite: LocalSuite, service: JobService) -> None:
    assert _answers(suite, service, [], **({"target": "de"} if service == "translation" else {})) == []


def test_what_asking_raises_is_raised(suite: LocalSuite) -> None:
    async def failing(works: Sequence[Work]) -> list[Any]:
        raise EngineFailed("it broke")

    with pytest.raises(EngineFailed):
        asyncio.run(task_of(_spec("sentiment", {}), suite).answer(_items(ENGLISH), failing))


def test_bad_items_name_their_record(suite: LocalSuite) -> None:
    async def ask() -> list[Any]:
        task = task_of(_spec("sentiment", {}), suite)
        return await task.answer([Item(8, 11, "\ud800")], batch_asker(suite).ask)

    (bad,) = asyncio.run(ask())
    assert isinstance(bad, BadItem)
    assert (bad.index, bad.line) == (8, 11)


def test_jobs_that_a_bundle_can_not_answer_are_refused_before_they_begin(suite: LocalSuite, bundle: Any) -> None:
    from rondo_services.local import suite_of

    for options in ({"source": "ko", "target": "de"}, {"source": "en", "target": "en"}):
        with pytest.raises((NotServed, InvalidInput)):
            task_of(_spec("translation", options), suite)
    with pytest.raises(InvalidInput, match="requests"):
        task_of(_spec("requests", {}), suite)
    small = suite_of(bundle, ["sentiment"], max_wait_s=0)
    try:
        for service, options in (("translation", {"target": "de"}), ("generation", {}), ("perplexity", {})):
            with pytest.raises(NotServed, match=r"the bundle has no (translation|generation) service"):
                task_of(_spec(service, options), small)  # type: ignore[arg-type]
    finally:
        small.close()

"""The services over HTTP with real text: shapes and robust facts, never exact wording."""

import random
import re
import time
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.approximately import approximately
from tests.system.asking import HANGUL, ODD_TEXTS, PAIRS, REVIEWS, TEXTS, generate, metric, post

# Sentiment


@pytest.mark.parametrize("language", ["en", "ko"])
def test_sentiment_of_a_trained_language(client: httpx.Client, language: str) -> None:
    results = post(client, "/v1/sentiment", text=REVIEWS[language])
    assert [result["label"] for result in results] == ["positive", "negative"]
    for result in results:
        assert result["language"] == language
        assert set(result["scores"]) == {"positive", "negative"}
        assert sum(result["scores"].values()) == pytest.approx(1, abs=1e-5)
        assert result["score"] == result["scores"][result["label"]] == max(result["scores"].values())
        assert "warning" not in result


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Dieser Film war wirklich ganz wunderbar und sehr lustig.", "de"),
        ("Ce film est vraiment magnifique et très drôle, je l'adore.", "fr"),
    ],
)
def test_sentiment_warns_of_a_language_it_was_not_trained_for(client: httpx.Client, text: str, language: str) -> None:
    (result,) = post(client, "/v1/sentiment", text=text)
    assert result["language"] == language
    assert language in result["warning"]
    assert sum(result["scores"].values()) == pytest.approx(1, abs=1e-5)


def test_a_given_language_is_not_detected(client: httpx.Client) -> None:
    (result,) = post(client, "/v1/sentiment", text=REVIEWS["en"][0], language="de")
    assert result["language"] == "de"
    assert "de" in result["warning"]


def test_sentiment_of_a_list_is_that_of_its_texts(client: httpx.Client) -> None:
    texts = [*REVIEWS["ko"], *REVIEWS["en"], *TEXTS.values(), *ODD_TEXTS.values(), "good " * 500]
    together = post(client, "/v1/sentiment", text=texts)
    assert len(together) == len(texts)
    for text, result in zip(texts, together, strict=True):
        (alone,) = post(client, "/v1/sentiment", text=text)
        assert result["scores"] == pytest.approx(alone["scores"], abs=1e-4)
        assert result["language"] == alone["language"]


# Translation


@pytest.mark.parametrize("beam_size", [1, 4])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_translation(client: httpx.Client, source: str, target: str, beam_size: int) -> None:
    (detected,) = post(client, "/v1/translate", text=TEXTS[source], target=target, beam_size=beam_size)
    (given,) = post(client, "/v1/translate", text=TEXTS[source], source=source, target=target, beam_size=beam_size)
    assert detected == given
    assert (given["source"], given["target"]) == (source, target)
    assert given["translation"].strip()
    assert bool(HANGUL.search(given["translation"])) == (target == "ko")
    assert given["score"] < 0
    assert "alternatives" not in given


def test_alternatives_differ(client: httpx.Client) -> None:
    (result,) = post(client, "/v1/translate", text=TEXTS["en"], target="de", beam_size=8, alternatives=7)
    translations = [result["translation"], *result["alternatives"]]
    assert 2 <= len(translations) <= 8
    assert len(set(translations)) == len(translations)


def test_alternatives_differ_where_there_are_few(client: httpx.Client) -> None:
    """Sentences with fewer hypotheses than asked for once repeated their last one."""
    (result,) = post(client, "/v1/translate", text="No. Yes.\nNo.", target="de", beam_size=16, alternatives=15)
    translations = [result["translation"], *result["alternatives"]]
    assert len(set(translations)) == len(translations)


def test_translations_of_a_list_are_those_of_its_texts(client: httpx.Client) -> None:
    texts = [TEXTS["en"], "Yes.", "", "One. Two!\n\nThree?", TEXTS["de"], TEXTS["en"]]
    together = post(client, "/v1/translate", text=texts, target="de", beam_size=2)
    alone = [post(client, "/v1/translate", text=text, target="de", beam_size=2)[0] for text in texts]
    assert [result["translation"] for result in together] == [result["translation"] for result in alone]


def test_translation_keeps_white_space_between_sentences(client: httpx.Client) -> None:
    text = "\n Good morning.\n\n  How are you?\tI am very well. \n"
    (result,) = post(client, "/v1/translate", text=text, source="en", target="de")
    assert re.fullmatch(r"\n \S[^\n\t]*\n\n  \S[^\n\t]*\t\S[^\n\t]* \n", result["translation"])


def test_a_text_in_the_target_language_comes_back_as_it_is(client: httpx.Client) -> None:
    (result,) = post(client, "/v1/translate", text=TEXTS["de"], target="de", beam_size=4, alternatives=3)
    assert result["translation"] == TEXTS["de"]
    assert result["alternatives"] == []
    assert "already" in result["warning"]


def test_a_detected_language_without_a_pair_is_warned_of(client: httpx.Client) -> None:
    (result,) = post(client, "/v1/translate", text=TEXTS["de"], target="ko")
    assert result["source"] == "de"
    assert "not trained" in result["warning"]


def test_a_text_of_many_sentences(client: httpx.Client) -> None:
    text = "I am here.\n" * 200
    (result,) = post(client, "/v1/translate", text=text, source="en", target="de", beam_size=1)
    lines = result["translation"].split("\n")
    assert len(lines) == 201
    assert len(set(lines[:-1])) == 1


# Summarization


@pytest.mark.parametrize("language", ["en", "de", "ko"])
def test_summary_of_a_short_text(client: httpx.Client, language: str) -> None:
    (result,) = post(client, "/v1/summarize", text=TEXTS[language])
    assert set(result) - {"warning"} == {"summary", "score", "language", "sentences_read", "sentences_total"}
    assert result["language"] == language
    assert result["summary"]
    assert (result["sentences_read"], result["sentences_total"]) == (1, 1)


def test_summary_of_a_very_long_text(client: httpx.Client) -> None:
    rng = random.Random(1)
    words = TEXTS["en"].split() + REVIEWS["en"][0].split()
    sentences: list[str] = []
    while sum(map(len, sentences)) < 100_000:
        sentences.append(" ".join(rng.choices(words, k=rng.randrange(4, 20))).strip(".,!").capitalize() + ". ")
    text = "".join(sentences)[:100_000]
    began = time.monotonic()
    (result,) = post(client, "/v1/summarize", text=text)
    assert time.monotonic() - began < 20
    assert result["summary"]
    assert 0 < result["sentences_read"] < result["sentences_total"]


def test_summary_of_a_very_long_sentence(client: httpx.Client) -> None:
    """It was once read whole, which kept the engine busy for a minute and ended in a timeout."""
    (result,) = post(client, "/v1/summarize", text="and then " * 22_000)
    assert (result["sentences_read"], result["sentences_total"]) == (1, 1)


def test_summary_of_an_empty_text_between_others(client: httpx.Client) -> None:
    first, empty, last = post(client, "/v1/summarize", text=[TEXTS["en"], " \n", TEXTS["ko"]])
    assert empty["summary"] == ""
    assert "empty" in empty["warning"]
    for language, result in (("en", first), ("ko", last)):
        (alone,) = post(client, "/v1/summarize", text=TEXTS[language])
        assert (result["summary"], result["language"]) == (alone["summary"], language)


def test_summary_is_no_longer_than_asked(client: httpx.Client) -> None:
    (result,) = post(client, "/v1/summarize", text=TEXTS["en"], max_tokens=1)
    assert len(result["summary"].split()) <= 1
    (result,) = post(client, "/v1/summarize", text=" ".join(TEXTS.values()), max_tokens=256, beam_size=1)
    assert result["summary"]


# Unicode


@pytest.mark.parametrize("kind", ODD_TEXTS)
def test_odd_texts_are_answered(client: httpx.Client, kind: str) -> None:
    text = ODD_TEXTS[kind]
    (sentiment,) = post(client, "/v1/sentiment", text=text)
    assert sum(sentiment["scores"].values()) == pytest.approx(1, abs=1e-5)
    (translation,) = post(client, "/v1/translate", text=text, target="en")
    assert isinstance(translation["translation"], str)
    (summary,) = post(client, "/v1/summarize", text=text)
    assert isinstance(summary["summary"], str)
    assert generate(client, text, max_tokens=4)["usage"]["completion_tokens"] <= 4


def test_decomposed_hangul_is_read_as_composed(client: httpx.Client) -> None:
    texts = [TEXTS["ko"], unicodedata.normalize("NFD", TEXTS["ko"])]
    assert texts[0] != texts[1]
    for path, options in (
        ("/v1/translate", {"target": "en", "beam_size": 1}),
        ("/v1/summarize", {"beam_size": 1}),
    ):
        composed, decomposed = (post(client, path, text=text, **options) for text in texts)
        assert composed == decomposed
    composed, decomposed = (post(client, "/v1/sentiment", text=text) for text in texts)
    assert composed == decomposed
    composed, decomposed = (post(client, "/v1/generate", prompt=text, temperature=0, max_tokens=8) for text in texts)
    assert composed == decomposed


# Many at once


def _mixed_requests(count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    languages = ["en", "de", "ko"]
    for number in range(count):
        text = " ".join([TEXTS[languages[number % 3]]] * (1 + number % 5))
        match number % 4:
            case 0:
                yield "/v1/sentiment", {"text": text}
            case 1:
                target = "de" if number % 3 == 0 else "en"
                yield "/v1/translate", {"text": text, "target": target, "beam_size": 1 + number % 4}
            case 2:
                yield "/v1/summarize", {"text": text, "max_tokens": 8 + number % 9, "beam_size": 1 + number % 3}
            case _:
                yield "/v1/generate", {"prompt": text, "temperature": 0, "max_tokens": 5 + number % 40}


def test_64_requests_at_once_are_answered_as_alone(client: httpx.Client) -> None:
    requests = list(_mixed_requests(64))
    alone = [post(client, path, **body)[0] for path, body in requests]
    with ThreadPoolExecutor(64) as pool:
        together = list(pool.map(lambda request: post(client, request[0], **request[1])[0], requests))
    for expected, answer in zip(alone, together, strict=True):
        assert answer == approximately(expected, 1e-3)


# Operations


def test_health(client: httpx.Client) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready"}


def test_metrics_are_prometheus_text(client: httpx.Client) -> None:
    post(client, "/v1/sentiment", text="Good.")
    reply = client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(reply.text)}
    assert {"rondo_num_rows_running", "rondo_request_success", "rondo_e2e_request_latency_seconds"} <= set(families)
    assert all(family.documentation for family in families.values())
    assert metric(client, "rondo_request_success_total", kind="classify") >= 1


def test_replies_are_counted_by_path_and_status(client: httpx.Client) -> None:
    """The counter was once there but never counted; a path that is not served has no series of its own."""

    def count(path: str, status: str) -> float:
        return metric(client, "rondo_http_replies_total", path=path, status=status)

    before = count("/v1/sentiment", "200"), count("/v1/sentiment", "422"), count("other", "404")
    post(client, "/v1/sentiment", text="Good.")
    assert client.post("/v1/sentiment", json={}).status_code == 422
    assert client.get("/no/such/path").status_code == 404
    after = count("/v1/sentiment", "200"), count("/v1/sentiment", "422"), count("other", "404")
    assert after == tuple(number + 1 for number in before)
    assert count("/no/such/path", "404") == 0


def test_documentation(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    needed = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert needed
    assert all(url.startswith("/") for url in needed), "the page must work offline"
    assert all(client.get(url).status_code == 200 for url in needed)
    paths = client.get("/openapi.json").json()["paths"]
    services = {"/v1/sentiment", "/v1/generate", "/v1/summarize", "/v1/translate"}
    assert services | {"/v1/models", "/health/live", "/health/ready", "/metrics"} <= set(paths)


def test_models(client: httpx.Client) -> None:
    content = client.get("/v1/models").json()
    assert content["object"] == "list"
    ids = [card["id"].split("/")[1] for card in content["data"]]
    assert ids == ["sentiment", "generation", "summarization", "translation"]
    for card in content["data"]:
        assert card["object"] == "model"
        assert set(card["languages"]) <= {"en", "de", "ko"}
        assert card["languages"]


def test_replies_name_the_model_as_the_list_does(client: httpx.Client) -> None:
    ids = {card["id"] for card in client.get("/v1/models").json()["data"]}
    for path, body in (
        ("/v1/sentiment", {"text": "a"}),
        ("/v1/generate", {"prompt": "a", "max_tokens": 1}),
        ("/v1/summarize", {"text": "a", "max_tokens": 1}),
        ("/v1/translate", {"text": "a", "target": "de"}),
    ):
        assert client.post(path, json=body).json()["model"] in ids

"""Hugging Face's tasks, each at the path of its model."""

import asyncio
import json
import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from rondo_services.errors import EngineFailed, Overloaded, TimedOut
from rondo_services.local import LocalSuite
from rondo_services.server import offload

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


def _ask(suite: LocalSuite, connect: Connect, model: str, **body: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with connect(suite) as client:
            return await client.post(f"/models/{model}", json=body)

    return asyncio.run(ask())


def _answer(suite: LocalSuite, connect: Connect, model: str, **body: Any) -> Any:
    reply = _ask(suite, connect, model, **body)
    assert reply.status_code == 200, reply.text
    return reply.json()


@pytest.mark.parametrize("model", ["sentiment", "tiny/sentiment"])
def test_classification(suite: LocalSuite, connect: Connect, model: str) -> None:
    ((first, second),) = _answer(suite, connect, model, inputs="The boat is slow.")
    assert first["score"] >= second["score"]
    assert first["score"] + second["score"] == pytest.approx(1)
    lists = _answer(suite, connect, model, inputs=["The boat is slow.", "The train"], parameters={"top_k": 1})
    assert [len(labels) for labels in lists] == [1, 1]
    assert lists[0] == [first]


def test_logarithms_of_probabilities(suite: LocalSuite, connect: Connect) -> None:
    (plain,) = _answer(suite, connect, "sentiment", inputs="The boat", parameters={"function_to_apply": "softmax"})
    (raw,) = _answer(suite, connect, "sentiment", inputs="The boat", parameters={"function_to_apply": "none"})
    assert [math.exp(label["score"]) for label in raw] == pytest.approx([label["score"] for label in plain])


def test_translation(suite: LocalSuite, connect: Connect) -> None:
    parameters = {"src_lang": "en", "tgt_lang": "de", "generate_parameters": {"num_beams": 2}}
    (one,) = _answer(suite, connect, "tiny/translation", inputs="The boat is slow.", parameters=parameters)
    assert set(one) == {"translation_text"}
    both = _answer(suite, connect, "translation", inputs=["The boat is slow.", "The train"], parameters=parameters)
    assert both[0] == one
    assert len(both) == 2


def test_terms_are_translated_as_asked_and_the_alignment_is_told(suite: LocalSuite, connect: Connect) -> None:
    search = {"num_beams": 4, "glossary": {"boat": "Fähre"}, "explain": True}
    parameters = {"src_lang": "en", "tgt_lang": "de", "generate_parameters": search}
    (one,) = _answer(suite, connect, "translation", inputs="The boat is slow.", parameters=parameters)
    assert "Fähre" in one["translation_text"]
    assert all(len(own["weights"]) == len(own["target"]) for own in one["alignment"])


def test_summarization(suite: LocalSuite, connect: Connect) -> None:
    short = {"generate_parameters": {"max_new_tokens": 2, "num_beams": 1}, "clean_up_tokenization_spaces": False}
    (one,) = _answer(suite, connect, "summarization", inputs="The boat is slow.", parameters=short)
    assert set(one) == {"summary_text"}
    assert len(_answer(suite, connect, "summarization", inputs=["The boat is slow."] * 2)) == 2


def test_generation(suite: LocalSuite, connect: Connect) -> None:
    short = {"max_new_tokens": 5}
    one = _answer(suite, connect, "generation", inputs="The boat", parameters=short)
    assert set(one) == {"generated_text"}
    assert _answer(suite, connect, "generation", inputs=["The boat"] * 2, parameters=short) == [one, one]
    full = _answer(suite, connect, "generation", inputs="The boat", parameters={**short, "return_full_text": True})
    assert full == {"generated_text": "The boat" + one["generated_text"]}


SHORT = {"max_new_tokens": 12, "do_sample": True, "temperature": 3.0, "seed": 3}


def _events(suite: LocalSuite, connect: Connect, **parameters: Any) -> list[dict[str, Any]]:
    body = {"inputs": "The boat", "parameters": {**SHORT, **parameters}, "stream": True}
    reply = _ask(suite, connect, "generation", **body)
    assert reply.headers["content-type"].startswith("text/event-stream")
    *events, done, end = reply.text.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: ")) for event in events]


def test_details_tell_of_the_tokens(suite: LocalSuite, connect: Connect) -> None:
    plain = _answer(suite, connect, "generation", inputs="The boat", parameters=SHORT)
    told = _answer(suite, connect, "generation", inputs="The boat", parameters={**SHORT, "details": True})
    assert told["generated_text"] == plain["generated_text"]
    details = told["details"]
    assert details["generated_tokens"] == len(details["tokens"]) <= 12
    assert all(token["logprob"] < 0 for token in details["tokens"])
    assert details["prefill"] == []
    assert "top_tokens" not in details
    assert details["seed"] == 3
    assert "".join(token["text"] for token in details["tokens"]) == told["generated_text"]
    assert suite.tokenizer.decode_continuation([t["id"] for t in details["tokens"]]) == told["generated_text"]


def test_the_prompt_is_told_of(suite: LocalSuite, connect: Connect) -> None:
    parameters = {**SHORT, "decoder_input_details": True}
    details = _answer(suite, connect, "generation", inputs="The boat", parameters=parameters)["details"]
    assert [token["id"] for token in details["prefill"]] == suite.tokenizer.encode("The boat")
    assert all(token["logprob"] < 0 for token in details["prefill"])


def test_the_likeliest_tokens(suite: LocalSuite, connect: Connect) -> None:
    parameters = {"max_new_tokens": 4, "details": True, "top_n_tokens": 3}
    details = _answer(suite, connect, "generation", inputs="The boat", parameters=parameters)["details"]
    for token, top in zip(details["tokens"], details["top_tokens"], strict=True):
        assert [one["logprob"] for one in top] == sorted((one["logprob"] for one in top), reverse=True)
        assert len(top) == 3
        assert token["id"] == top[0]["id"]
        assert token["logprob"] == pytest.approx(top[0]["logprob"], abs=1e-5)
    events = _events(suite, connect, top_n_tokens=2)
    assert {len(event["top_tokens"]) for event in events} == {2}
    assert "top_tokens" not in _events(suite, connect)[0]


def test_the_best_of_several(suite: LocalSuite, connect: Connect) -> None:
    def mean(sequence: dict[str, Any]) -> float:
        return float(sum(token["logprob"] for token in sequence["tokens"]) / len(sequence["tokens"]))

    parameters = {**SHORT, "best_of": 3, "details": True}
    told = _answer(suite, connect, "generation", inputs="The boat", parameters=parameters)
    others = told["details"]["best_of_sequences"]
    assert len({told["generated_text"], *(other["generated_text"] for other in others)}) == 3
    assert mean(told["details"]) >= mean(others[0]) >= mean(others[1])
    assert {told["details"]["seed"], *(other["seed"] for other in others)} == {3, 4, 5}
    silent = _answer(suite, connect, "generation", inputs="The boat", parameters={**SHORT, "best_of": 3})
    assert silent == {"generated_text": told["generated_text"]}


def test_only_the_end_of_a_prompt_is_read(suite: LocalSuite, connect: Connect) -> None:
    text = "배가 천천히 간다. The boat is slow."
    ids = suite.tokenizer.encode(text)
    parameters = {"max_new_tokens": 4, "decoder_input_details": True, "truncate": 3}
    details = _answer(suite, connect, "generation", inputs=text, parameters=parameters)["details"]
    assert [token["id"] for token in details["prefill"]] == ids[-3:]
    parameters["truncate"] = 1000
    details = _answer(suite, connect, "generation", inputs=text, parameters=parameters)["details"]
    assert [token["id"] for token in details["prefill"]] == ids


def test_a_prompt_counts_whole_whatever_is_read_of_it(
    suite: LocalSuite, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    charged: list[int] = []
    monkeypatch.setattr(offload, "charge", charged.append)
    text = "The boat is slow. " * 100
    _answer(suite, connect, "generation", inputs=text, parameters={"max_new_tokens": 1, "truncate": 3})
    assert sum(charged) == len(text)


def test_a_seed_is_told_if_something_was_drawn(suite: LocalSuite, connect: Connect) -> None:
    def details(**parameters: Any) -> Any:
        own = {"max_new_tokens": 4, "details": True, **parameters}
        return _answer(suite, connect, "generation", inputs=["The boat"] * 2, parameters=own)

    assert [one["details"]["seed"] for one in details(seed=5)] == [None, None]
    drawn = details(temperature=2.0)
    seeds = [one["details"]["seed"] for one in drawn]
    assert seeds[1] == seeds[0] + 1
    assert details(temperature=2.0, seed=seeds[0]) == drawn


def test_events_are_tokens_and_together_the_text(suite: LocalSuite, connect: Connect) -> None:
    details = _answer(suite, connect, "generation", inputs="The boat", parameters={**SHORT, "details": True})
    events = _events(suite, connect, details=True)
    assert [event["index"] for event in events] == list(range(1, len(events) + 1))
    written = [event["token"] for event in events if not event["token"]["special"]]
    assert [token["id"] for token in written] == [token["id"] for token in details["details"]["tokens"]]
    assert "".join(token["text"] for token in written) == details["generated_text"]
    *others, last = events
    assert last["generated_text"] == details["generated_text"]
    assert last["details"]["finish_reason"] == details["details"]["finish_reason"]
    assert last["details"]["generated_tokens"] == details["details"]["generated_tokens"]
    assert last["details"]["input_length"] == len(suite.tokenizer.encode("The boat"))
    assert {(event["generated_text"], event["details"]) for event in others} == {(None, None)}


def test_the_last_event_has_the_whole_text_also_without_details(suite: LocalSuite, connect: Connect) -> None:
    last = _events(suite, connect, return_full_text=True)[-1]
    assert last["generated_text"].startswith("The boat")
    assert last["details"] is None


def test_why_a_text_ended(suite: LocalSuite, connect: Connect) -> None:
    def ended(**parameters: Any) -> tuple[str, str]:
        reply = _answer(
            suite, connect, "generation", inputs="The boat", parameters={**SHORT, "details": True, **parameters}
        )
        last = _events(suite, connect, details=True, **parameters)[-1]
        return reply["details"]["finish_reason"], last["details"]["finish_reason"]

    text = _answer(suite, connect, "generation", inputs="The boat", parameters=SHORT)["generated_text"]
    assert ended(max_new_tokens=2) == ("length", "length")
    assert ended(stop=[text[2:4]]) == ("stop_sequence", "stop_sequence")


def test_the_end_symbol_is_an_event_without_text(suite: LocalSuite, connect: Connect) -> None:
    for seed in range(40):
        last = _events(suite, connect, details=True, seed=seed, max_new_tokens=100)[-1]
        if last["details"]["finish_reason"] == "eos_token":
            break
    logprob = last["token"].pop("logprob")
    assert last["token"] == {"id": suite.tokenizer.end_id, "text": "", "special": True}
    assert logprob < 0
    assert last["details"]["generated_tokens"] < 100


def test_whatever_shapes_the_distribution_asks_for_drawing(suite: LocalSuite, connect: Connect) -> None:
    def text(**parameters: Any) -> str:
        own = {"max_new_tokens": 12, "seed": 3, **parameters}
        return str(_answer(suite, connect, "generation", inputs="The boat", parameters=own)["generated_text"])

    greedy = text()
    assert text(temperature=1.0, top_p=1.0, typical_p=1.0, watermark=False) == greedy
    assert text(do_sample=True) == text(do_sample=True) != greedy
    assert text(temperature=2.0) == text(do_sample=True, temperature=2.0) != greedy


def test_null_is_as_good_as_nothing(suite: LocalSuite, connect: Connect) -> None:
    names = ("adapter_id", "grammar", "watermark", "typical_p", "seed", "stop", "best_of", "details", "do_sample")
    body = {"inputs": "The boat", "parameters": dict.fromkeys(names), "stream": None}
    assert _ask(suite, connect, "generation", **body).status_code == 200
    for model in ("sentiment", "summarization"):
        assert _ask(suite, connect, model, inputs="The boat", parameters=None).status_code == 200


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "no target": (
        "translation",
        {"inputs": "a", "parameters": {"src_lang": "en"}},
        "parameters.tgt_lang is missing; choose among en, de, ko",
    ),
    "no parameters": ("translation", {"inputs": "a"}, "parameters.tgt_lang is missing"),
    "no such pair": ("translation", {"inputs": "a", "parameters": {"tgt_lang": "ko"}}, "served are en→de, de→en"),
    "another language": ("translation", {"inputs": "a", "parameters": {"tgt_lang": "fr"}}, "'en', 'de' or 'ko'"),
    "cut": ("summarization", {"inputs": "a", "parameters": {"truncation": "longest_first"}}, "'do_not_truncate'"),
    "spaces": ("summarization", {"inputs": "a", "parameters": {"clean_up_tokenization_spaces": 0}}, "only false"),
    "sigmoid": ("sentiment", {"inputs": "a", "parameters": {"function_to_apply": "sigmoid"}}, "'softmax' or 'none'"),
    "no label": ("sentiment", {"inputs": "a", "parameters": {"top_k": 0}}, "parameters.top_k: "),
    "no inputs": ("sentiment", {}, "inputs: Field required"),
    "unknown": ("sentiment", {"inputs": "a", "parameters": {"loud": True}}, "parameters.loud: unknown field"),
    "typical": ("generation", {"inputs": "a", "parameters": {"typical_p": 0.5}}, "typical decoding is not supported"),
    "watermark": ("generation", {"inputs": "a", "parameters": {"watermark": True}}, "watermarks are not supported"),
    "grammar": ("generation", {"inputs": "a", "parameters": {"grammar": {"type": "regex"}}}, "grammars are not"),
    "adapter": ("generation", {"inputs": "a", "parameters": {"adapter_id": "x"}}, "there are no adapters"),
    "top tokens": ("generation", {"inputs": "a", "parameters": {"top_n_tokens": 6}}, "less than or equal to 5"),
    "best of one": ("generation", {"inputs": "a", "parameters": {"best_of": 2}}, "only with do_sample"),
    "best of a stream": (
        "generation",
        {"inputs": "a", "parameters": {"best_of": 2, "do_sample": True}, "stream": True},
        "can't be streamed; only 1",
    ),
    "prefill of a stream": (
        "generation",
        {"inputs": "a", "parameters": {"decoder_input_details": True}, "stream": True},
        "the prompt's tokens can't be streamed",
    ),
    "untold": ("generation", {"inputs": "a", "parameters": {"top_n_tokens": 2}}, "only with details or stream"),
    "nothing read": ("generation", {"inputs": "a", "parameters": {"truncate": 0}}, "parameters.truncate"),
    "streams": ("generation", {"inputs": ["a"], "stream": True}, "a list can't be streamed"),
    "cold": ("generation", {"inputs": "a", "parameters": {"temperature": 0}}, "greater than 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_honoured_is_refused(suite: LocalSuite, connect: Connect, case: str) -> None:
    model, body, reason = REFUSED[case]
    reply = _ask(suite, connect, model, **body)
    assert reply.status_code == 422, reply.text
    assert reply.json()["error_type"] == "validation"
    assert reason in reply.json()["error"]


@pytest.mark.parametrize("model", ["other", "tiny/other", "other/sentiment", "sentiment/more"])
def test_an_unknown_model(suite: LocalSuite, connect: Connect, model: str) -> None:
    reply = _ask(suite, connect, model, inputs="a")
    assert (reply.status_code, reply.json()["error_type"]) == (404, "validation")
    assert "choose among tiny/sentiment" in reply.json()["error"]


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (EngineFailed("it broke"), 503, "generation"),
        (TimedOut("too late"), 504, "generation"),
        (Overloaded("full", retry_after_s=2), 429, "overloaded"),
    ],
)
def test_failures(
    suite: LocalSuite, connect: Connect, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, kind: str
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(type(suite), "run", broken)
    reply = _ask(suite, connect, "generation", inputs="a")
    assert (reply.status_code, reply.json()) == (status, {"error": str(error), "error_type": kind})

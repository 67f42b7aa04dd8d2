"""The Open Inference Protocol: tensors in JSON and in bytes, and what is refused."""

import asyncio
import gzip
import json
import struct
import zlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from rondo_services.errors import EngineFailed
from rondo_services.local import LocalSuite
from rondo_services.server.settings import ServerSettings

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
INFER = "/v2/models/sentiment/infer"


def _ask(suite: LocalSuite, connect: Connect, *requests: dict[str, Any], **settings: Any) -> list[httpx.Response]:
    async def ask() -> list[httpx.Response]:
        async with connect(suite, ServerSettings(**settings)) as client:
            return [await client.request(**{"method": "POST", **request}) for request in requests]

    return asyncio.run(ask())


def _get(suite: LocalSuite, connect: Connect, path: str) -> httpx.Response:
    return _ask(suite, connect, {"method": "GET", "url": path})[0]


def _text(*texts: str, **more: Any) -> dict[str, Any]:
    return {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": list(texts), **more}


def _infer(suite: LocalSuite, connect: Connect, body: dict[str, Any], model: str = "sentiment") -> httpx.Response:
    content = json.dumps(body).encode()  # without a content type, as tritonclient sends it
    return _ask(suite, connect, {"url": f"/v2/models/{model}/infer", "content": content})[0]


def _outputs(reply: httpx.Response) -> dict[str, dict[str, Any]]:
    assert reply.status_code == 200, reply.text
    return {output["name"]: output for output in reply.json()["outputs"]}


def test_json_in_and_out(suite: LocalSuite, connect: Connect) -> None:
    reply = _infer(suite, connect, {"id": "7", "inputs": [_text("The boat is slow.", "The train is late today.")]})
    assert reply.headers["content-type"] == "application/json"
    content = reply.json()
    assert (content["model_name"], content["model_version"], content["id"]) == ("sentiment", "1", "7")
    outputs = _outputs(reply)
    assert set(outputs["label"]["data"]) <= {"negative", "positive"}
    assert outputs["label"]["shape"] == outputs["score"]["shape"] == [2]
    assert (outputs["scores"]["datatype"], outputs["scores"]["shape"]) == ("FP32", [2, 2])
    assert sum(outputs["scores"]["data"][:2]) == pytest.approx(1)


def test_without_an_id_there_is_none(suite: LocalSuite, connect: Connect) -> None:
    assert "id" not in _infer(suite, connect, {"inputs": [_text("a")]}).json()


def test_a_column_of_texts_gives_columns(suite: LocalSuite, connect: Connect) -> None:
    column = {"name": "text", "shape": [2, 1], "datatype": "BYTES", "data": [["The boat"], ["The train"]]}
    outputs = _outputs(_infer(suite, connect, {"inputs": [column]}))
    assert outputs["label"]["shape"] == [2, 1]
    assert outputs["scores"]["shape"] == [2, 2]


@pytest.mark.parametrize("as_inputs", [True, False])
def test_terms_are_translated_as_asked_and_the_alignment_is_told(
    suite: LocalSuite, connect: Connect, as_inputs: bool
) -> None:
    terms = json.dumps({"boat": "Fähre"})
    body: dict[str, Any] = {"inputs": [_text("The boat is slow.", "")], "parameters": {"target": "de", "source": "en"}}
    if as_inputs:
        body["inputs"].append({"name": "glossary", "shape": [1], "datatype": "BYTES", "data": [terms]})
        body["inputs"].append({"name": "explain", "shape": [1], "datatype": "BOOL", "data": [True]})
    else:
        body["parameters"] |= {"glossary": terms, "explain": True}
    outputs = _outputs(_infer(suite, connect, body, "translation"))
    assert "Fähre" in outputs["translation"]["data"][0]
    assert outputs["alignment"]["shape"] == [2]
    first, second = map(json.loads, outputs["alignment"]["data"])
    assert {"source", "target", "weights"} == first[0].keys()
    assert second == []


def test_what_each_token_has_to_do_with_a_label(suite: LocalSuite, connect: Connect) -> None:
    body = {"inputs": [_text("The boat is slow.")], "parameters": {"explain": True}}
    tokens = json.loads(_outputs(_infer(suite, connect, body))["tokens"]["data"][0])
    assert "".join(token["text"] for token in tokens) == "The boat is slow."


def test_a_glossary_that_is_no_json_is_refused(suite: LocalSuite, connect: Connect) -> None:
    for glossary in ("boat=Fähre", 7):
        body = {"inputs": [_text("a")], "parameters": {"target": "de", "glossary": glossary}}
        reply = _infer(suite, connect, body, "translation")
        assert (reply.status_code, reply.json()) == (400, {"error": "'glossary' must be JSON"})


def _binary(texts: list[str], **head: Any) -> tuple[bytes, dict[str, str]]:
    raw = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)
    tensor = {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}
    start = json.dumps({"inputs": [tensor], **head}).encode()
    return start + raw, {"Inference-Header-Content-Length": str(len(start))}


def _read(reply: httpx.Response) -> dict[str, list[Any]]:
    length = int(reply.headers["Inference-Header-Content-Length"])
    rest, found = reply.content[length:], {}
    for output in json.loads(reply.content[:length])["outputs"]:
        size = output["parameters"]["binary_data_size"]
        raw, rest = rest[:size], rest[size:]
        values: list[Any] = []
        if output["datatype"] == "BYTES":
            while raw:
                end = 4 + struct.unpack_from("<I", raw)[0]
                values.append(raw[4:end].decode())
                raw = raw[end:]
        else:
            values = list(struct.unpack(f"<{size // 4}f", raw))
        found[output["name"]] = values
    assert rest == b""
    return found


@pytest.mark.parametrize("packing", ["", "gzip", "deflate"])
def test_binary_in_and_out(suite: LocalSuite, connect: Connect, packing: str) -> None:
    texts = ["The boat is slow.", "", "배가 천천히 간다. [[[[[[[["]
    body, headers = _binary(texts, parameters={"binary_data_output": True})
    if packing:
        body = gzip.compress(body) if packing == "gzip" else zlib.compress(body)
        headers["Content-Encoding"] = packing
    reply, plain = _ask(
        suite,
        connect,
        {"url": INFER, "content": body, "headers": headers},
        {"url": INFER, "json": {"inputs": [_text(*texts)]}},
    )
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/octet-stream"
    found, outputs = _read(reply), _outputs(plain)
    assert found["label"] == outputs["label"]["data"]
    assert found["scores"] == pytest.approx(outputs["scores"]["data"], abs=1e-6)


def test_only_what_is_asked_for_each_as_it_is_asked_for(suite: LocalSuite, connect: Connect) -> None:
    wanted = [
        {"name": "scores", "parameters": {"binary_data": True}},
        {"name": "label", "parameters": {"binary_data": False}},
    ]
    reply = _infer(suite, connect, {"inputs": [_text("a", "b")], "outputs": wanted})
    length = int(reply.headers["Inference-Header-Content-Length"])
    scores, label = json.loads(reply.content[:length])["outputs"]
    assert (scores["name"], scores["parameters"]) == ("scores", {"binary_data_size": 16})
    assert "data" not in scores
    assert len(reply.content) == length + 16
    assert (label["name"], len(label["data"])) == ("label", 2)


def test_classification_of_scores(suite: LocalSuite, connect: Connect) -> None:
    wanted = [{"name": "scores", "parameters": {"classification": 1}}, {"name": "label"}, {"name": "score"}]
    outputs = _outputs(_infer(suite, connect, {"inputs": [_text("a", "b")], "outputs": wanted}))
    assert (outputs["scores"]["datatype"], outputs["scores"]["shape"]) == ("BYTES", [2, 1])
    for best, label, score in zip(*(outputs[name]["data"] for name in ("scores", "label", "score")), strict=True):
        value, index, name = best.split(":")
        assert name == label == ("negative", "positive")[int(index)]
        assert float(value) == pytest.approx(score, abs=1e-6)


def test_options_as_parameters_or_as_tensors(suite: LocalSuite, connect: Connect) -> None:
    inputs = [_text("The boat is slow.")]
    tensors = [
        {"name": "target", "shape": [1], "datatype": "BYTES", "data": ["de"]},
        {"name": "beam_size", "shape": [1, 1], "datatype": "INT64", "data": [3]},
        {"name": "alternatives", "shape": [1], "datatype": "INT64", "data": [2]},
    ]
    options = {"target": "de", "beam_size": 3, "alternatives": 2}
    one = _outputs(_infer(suite, connect, {"inputs": inputs, "parameters": options}, "translation"))
    other = _outputs(_infer(suite, connect, {"inputs": inputs + tensors}, "translation"))
    assert one == other
    assert one["alternatives"]["shape"] == [1, 2]
    assert -1 <= one["quality"]["data"][0] <= 1
    assert "alternatives" not in _outputs(
        _infer(suite, connect, {"inputs": inputs, "parameters": {"target": "de"}}, "translation")
    )


def test_generation_goes_on_from_a_state(suite: LocalSuite, connect: Connect) -> None:
    stops = {"name": "stop", "shape": [2], "datatype": "BYTES", "data": ["q", "x"]}
    first = {"temperature": 0, "max_tokens": 3, "return_state": True}
    outputs = _outputs(
        _infer(suite, connect, {"inputs": [_text("The boat")], "parameters": first}, "generation"),
    )
    state = outputs["state"]["data"][0]
    on = {"temperature": 0, "max_tokens": 2, "state": state}
    later = _outputs(_infer(suite, connect, {"inputs": [_text(""), stops], "parameters": on}, "generation"))
    assert later["completion_tokens"]["data"][0] <= 2
    assert outputs["finish_reason"]["data"][0] in ("stop", "length")


@pytest.mark.parametrize("binary", [False, True])
def test_a_text_that_ended_at_a_stop_has_an_empty_state(suite: LocalSuite, connect: Connect, binary: bool) -> None:
    written = {"temperature": 0, "max_tokens": 8}
    (text,) = _outputs(_infer(suite, connect, {"inputs": [_text("The boat")], "parameters": written}, "generation"))[
        "text"
    ]["data"]
    stop = {"name": "stop", "shape": [1], "datatype": "BYTES", "data": [text.strip()[:1]]}
    parameters = {**written, "return_state": True, "binary_data_output": binary}
    reply = _infer(suite, connect, {"inputs": [_text("The boat"), stop], "parameters": parameters}, "generation")
    assert reply.status_code == 200, reply.text
    if binary:
        assert reply.content.endswith(bytes(4))  # a text of no bytes
    else:
        assert _outputs(reply)["state"]["data"] == [""]


def test_summaries(suite: LocalSuite, connect: Connect) -> None:
    body = {"inputs": [_text("The boat is slow. The train is late.")], "parameters": {"max_tokens": 4}}
    outputs = _outputs(_infer(suite, connect, body, "summarization"))
    assert outputs["sentences_total"] == {"name": "sentences_total", "datatype": "INT64", "shape": [1], "data": [2]}
    assert {"summary", "score", "language", "warning"} < set(outputs)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no text": (
        {"inputs": [{"name": "beam_size", "shape": [1], "datatype": "INT64", "data": [1]}]},
        "the input 'text' is missing",
    ),
    "another datatype": ({"inputs": [_text("a", datatype="FP32")]}, "datatype FP32; it must be BYTES"),
    "unknown datatype": ({"inputs": [_text("a", datatype="TEXT")]}, "datatype"),
    "another shape": ({"inputs": [_text("a", shape=[2])]}, "1 elements, but shape"),
    "too many dimensions": ({"inputs": [_text("a", shape=[1, 1, 1])]}, "it must be [n] or [n, 1]"),
    "a row": ({"inputs": [_text("a", "b", shape=[1, 2])]}, "it must be [n] or [n, 1]"),
    "nothing": ({"inputs": [_text()]}, "at least 1"),
    "no strings": ({"inputs": [_text(shape=[1], data=[1])]}, "must be strings"),
    "no data": ({"inputs": [_text("a", data=None)]}, "needs either data or binary_data_size"),
    "data twice": ({"inputs": [_text("a", parameters={"binary_data_size": 5})]}, "needs either"),
    "too few bytes": (
        {"inputs": [_text(shape=[1], data=None, parameters={"binary_data_size": 9})]},
        "0 bytes are left",
    ),
    "shared memory": ({"inputs": [_text("a", parameters={"shared_memory_region": "r"})]}, "unknown field"),
    "unknown input": ({"inputs": [_text("a"), _text("b", name="more")]}, "unknown input 'more'"),
    "an input twice": ({"inputs": [_text("a"), _text("b")]}, "'text' is given twice"),
    "unknown parameter": ({"inputs": [_text("a")], "parameters": {"loud": True}}, "unknown parameter 'loud'"),
    "a sequence": ({"inputs": [_text("a")], "parameters": {"sequence_id": 3}}, "there are no sequences here"),
    "a priority": ({"inputs": [_text("a")], "parameters": {"priority": 1}}, "X-Priority"),
    "no truth": ({"inputs": [_text("a")], "parameters": {"binary_data_output": 1}}, "must be true or false"),
    "a null": (
        {"inputs": [_text("a"), {"name": "explain", "shape": [1], "datatype": "BOOL", "data": [None]}]},
        "an element is null",
    ),
    "a wrong option": ({"inputs": [_text("a")], "parameters": {"language": "fr"}}, "language"),
    "unknown output": ({"inputs": [_text("a")], "outputs": [{"name": "logits"}]}, "there is no output 'logits'"),
    "an output twice": ({"inputs": [_text("a")], "outputs": [{"name": "label"}] * 2}, "asked for twice"),
    "labels of labels": (
        {"inputs": [_text("a")], "outputs": [{"name": "label", "parameters": {"classification": 1}}]},
        "no labels to classify by",
    ),
    "another model": ({"inputs": [_text("a")], "model_name": "translation"}, "the path says 'sentiment'"),
    "unknown field": ({"inputs": [_text("a")], "more": 1}, "unknown field"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_told(suite: LocalSuite, connect: Connect, case: str) -> None:
    body, reason = REFUSED[case]
    reply = _infer(suite, connect, body)
    assert reply.status_code == 400, reply.text
    assert set(reply.json()) == {"error"}
    assert reason in reply.json()["error"]


def test_an_output_that_needs_an_option_says_so(suite: LocalSuite, connect: Connect) -> None:
    body = {"inputs": [_text("a")], "parameters": {"target": "de"}, "outputs": [{"name": "alternatives"}]}
    assert "it needs alternatives" in _infer(suite, connect, body, "translation").json()["error"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda body: body[:-1], "but only"),
        (lambda body: body + b"x", "belong to no input"),
        (lambda body: body.replace(b"slow", b"s\xffow"), "no UTF-8"),
        (lambda body: body.replace(b"\x11\0\0\0", b"\x12\0\0\0"), "end within an element"),
        (lambda body: body.replace(b"\x11\0\0\0", b"\xff\xff\xff\xff"), "end within an element"),
        (lambda body: b"[" + body[1:], "no JSON"),
    ],
)
def test_bytes_that_do_not_fit(
    suite: LocalSuite, connect: Connect, change: Callable[[bytes], bytes], reason: str
) -> None:
    body, headers = _binary(["The boat is slow."])
    (reply,) = _ask(suite, connect, {"url": INFER, "content": change(body), "headers": headers})
    assert (reply.status_code, list(reply.json())) == (400, ["error"])
    assert reason in reply.json()["error"]


@pytest.mark.parametrize("length", ["0", "-1", "1e3", "99999", "", "9" * 5000])
def test_a_length_that_cannot_be(suite: LocalSuite, connect: Connect, length: str) -> None:
    body, _ = _binary(["a"])
    headers = {"Inference-Header-Content-Length": length}
    (reply,) = _ask(suite, connect, {"url": INFER, "content": body, "headers": headers})
    assert reply.status_code == 400
    assert "whole number from 1" in reply.json()["error"]


def test_json_in_binary_bodies_is_limited_too(suite: LocalSuite, connect: Connect) -> None:
    body = gzip.compress(json.dumps({"inputs": json.loads("[" * 100 + "]" * 100)}).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/octet-stream"}
    (reply,) = _ask(suite, connect, {"url": INFER, "content": body, "headers": headers})
    assert reply.status_code == 400
    assert "nested deeper" in reply.json()["error"]


@pytest.mark.parametrize(
    ("encoding", "content", "status", "reason"),
    [
        ("br", b"{}", 415, "send gzip, deflate or neither"),
        ("gzip", b"{}", 400, "no gzip"),
        ("gzip", gzip.compress(b"{}")[:-1], 400, "not one whole"),
        ("deflate", zlib.compress(b"{}") + b"x", 400, "not one whole"),
        ("gzip", gzip.compress(b" " * 5000), 413, "once it is unpacked"),
    ],
)
def test_packed_bodies_that_cannot_be_read(
    suite: LocalSuite, connect: Connect, encoding: str, content: bytes, status: int, reason: str
) -> None:
    request = {"url": INFER, "content": content, "headers": {"Content-Encoding": encoding}}
    (reply,) = _ask(suite, connect, request, max_body_bytes=4000)
    assert reply.status_code == status
    assert reason in reply.json()["error"]


def test_models_say_what_they_take_and_give(suite: LocalSuite, connect: Connect) -> None:
    metadata = _get(suite, connect, "/v2/models/translation/versions/1").json()
    assert (metadata["name"], metadata["versions"]) == ("translation", ["1"])
    assert {"name": "text", "datatype": "BYTES", "shape": [-1]} in metadata["inputs"]
    config = _get(suite, connect, "/v2/models/sentiment/config").json()
    assert config["parameters"]["labels"] == {"string_value": "negative,positive"}
    for name in suite.served():
        metadata = _get(suite, connect, f"/v2/models/{name}").json()
        config = _get(suite, connect, f"/v2/models/{name}/config").json()
        assert [tensor["name"] for tensor in metadata["inputs"]] == [tensor["name"] for tensor in config["input"]]
        assert [tensor["name"] for tensor in metadata["outputs"]] == [tensor["name"] for tensor in config["output"]]
        assert _get(suite, connect, f"/v2/models/{name}/ready").json() == {"name": name, "ready": True}


def test_options_are_those_of_the_service(suite: LocalSuite, connect: Connect) -> None:
    """All inputs of a model, with the value each has by default, are taken."""
    defaults: dict[str, dict[str, Any]] = {
        "sentiment": {"language": "en", "explain": False},
        "summarization": {"method": "write", "max_tokens": 3, "beam_size": 2},
        "translation": {
            "source": "en",
            "target": "de",
            "format": "text",
            "beam_size": 2,
            "rerank": 0.5,
            "alternatives": 1,
            "glossary": "{}",
            "explain": False,
        },
        "generation": {
            **{"max_tokens": 2, "temperature": 0.5, "top_k": 3, "top_p": 0.5, "min_p": 0.1, "seed": 5, "stop": "q"},
            **{"repetition_penalty": 1.1, "frequency_penalty": 0.1, "presence_penalty": 0.1, "return_state": False},
        },
    }
    for name, options in defaults.items():
        inputs = {tensor["name"] for tensor in _get(suite, connect, f"/v2/models/{name}").json()["inputs"]}
        assert inputs - {"text", "state"} == set(options)
        _outputs(_infer(suite, connect, {"inputs": [_text("The boat")], "parameters": options}, name))


@pytest.mark.parametrize(
    "path", ["/v2/models/other", "/v2/models/sentiment/versions/2", "/v2/models/tiny/sentiment", "/v2/logging"]
)
def test_what_is_not_there(suite: LocalSuite, connect: Connect, path: str) -> None:
    reply = _get(suite, connect, path)
    assert reply.status_code == 404
    assert list(reply.json()) == ["error"]


def test_the_repository_is_fixed(suite: LocalSuite, connect: Connect) -> None:
    index, ready, load, unload, other = _ask(
        suite,
        connect,
        {"url": "/v2/repository/index"},
        {"url": "/v2/repository/index", "content": b'{"ready": true}'},
        {"url": "/v2/repository/models/sentiment/load", "json": {}},
        {"url": "/v2/repository/models/sentiment/unload", "json": {"parameters": {"unload_dependents": False}}},
        {"url": "/v2/repository/models/other/load"},
    )
    entry = {"name": "sentiment", "version": "1", "state": "READY", "reason": ""}
    assert entry in index.json()
    assert index.json() == ready.json()
    assert (load.status_code, unload.status_code, other.status_code) == (400, 400, 404)
    assert "can't be loaded or unloaded" in load.json()["error"]


def test_a_dead_engine_is_not_ready(suite: LocalSuite, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(suite.engine), "is_alive", False)
    ready = _get(suite, connect, "/v2/health/ready")
    assert (ready.status_code, ready.json()) == (503, {"live": True, "ready": False})
    assert _get(suite, connect, "/v2/health/live").json() == {"live": True, "ready": False}
    assert _get(suite, connect, "/v2/models/sentiment/ready").status_code == 503
    everything, ready_only = _ask(
        suite,
        connect,
        {"url": "/v2/repository/index"},
        {"url": "/v2/repository/index", "content": b'{"ready": true}'},
    )
    assert {entry["state"] for entry in everything.json()} == {"UNAVAILABLE"}
    assert ready_only.json() == []


def test_statistics_count_answers_and_failures(
    suite: LocalSuite, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask() -> dict[str, Any]:
        async with connect(suite) as client:
            await client.post(INFER, json={"inputs": [_text("a", "b")]})
            await client.post(INFER, json={"inputs": [_text("a")]})
            await client.post(INFER, json={"inputs": [_text()]})
            one = (await client.get("/v2/models/sentiment/stats")).json()["model_stats"]
            all_models = (await client.get("/v2/models/stats")).json()["model_stats"]
            assert one[0] in all_models
            assert len(all_models) == 4
            return dict(one[0])

    own = asyncio.run(ask())
    assert (own["inference_count"], own["execution_count"]) == (3, 2)
    durations = own["inference_stats"]
    assert (durations["success"]["count"], durations["fail"]["count"]) == (2, 1)
    assert durations["success"]["ns"] > durations["compute_infer"]["ns"] > 0
    assert durations["success"]["ns"] > durations["compute_output"]["ns"] > 0
    assert own["last_inference"] > 1_600_000_000_000


def test_a_failing_engine(suite: LocalSuite, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise EngineFailed("it broke")

    monkeypatch.setattr(type(suite), "run", broken)
    reply = _infer(suite, connect, {"inputs": [_text("a")]})
    assert (reply.status_code, reply.json()) == (503, {"error": "it broke"})

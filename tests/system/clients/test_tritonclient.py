"""NVIDIA's `tritonclient`, as it is: every operation of its HTTP client that Rondo has, and errors of the others."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as blocking
import tritonclient.http.aio as waiting
from tests.system.asking import REVIEWS, TEXTS
from tritonclient.utils import InferenceServerException

MODELS = ["sentiment", "generation", "summarization", "translation"]


def _address(server: httpx.Client) -> str:
    return f"{server.base_url.host}:{server.base_url.port}"


@pytest.fixture
def triton(client: httpx.Client) -> Iterator[blocking.InferenceServerClient]:
    with blocking.InferenceServerClient(_address(client)) as own:
        yield own


def _wait(server: httpx.Client, ask: Callable[[waiting.InferenceServerClient], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with waiting.InferenceServerClient(_address(server)) as client:
            return await ask(client)

    return asyncio.run(run())


def _texts(*texts: str, binary: bool = True, column: bool = False) -> blocking.InferInput:
    shape = [len(texts), 1] if column else [len(texts)]
    tensor = blocking.InferInput("text", shape, "BYTES")
    tensor.set_data_from_numpy(np.array(texts, dtype=object).reshape(shape), binary_data=binary)
    return tensor


def _option(name: str, datatype: str, value: Any) -> blocking.InferInput:
    tensor = blocking.InferInput(name, [1], datatype)
    tensor.set_data_from_numpy(np.array([value], dtype={"INT64": np.int64, "BYTES": object}[datatype]))
    return tensor


def _decoded(result: blocking.InferResult, name: str) -> list[str]:
    return [element.decode() if isinstance(element, bytes) else element for element in result.as_numpy(name).flat]


def test_the_server_says_what_it_is(triton: blocking.InferenceServerClient) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    metadata = triton.get_server_metadata()
    assert metadata["name"] == "rondo"
    assert "binary_tensor_data" in metadata["extensions"]
    index = triton.get_model_repository_index()
    assert [entry["name"] for entry in index] == MODELS
    assert {entry["state"] for entry in index} == {"READY"}


@pytest.mark.parametrize("model", MODELS)
def test_models_say_what_they_are(triton: blocking.InferenceServerClient, model: str) -> None:
    metadata = triton.get_model_metadata(model)
    (version,) = metadata["versions"]
    assert triton.is_model_ready(model)
    assert triton.is_model_ready(model, version)
    assert not triton.is_model_ready(model, "none")
    assert triton.get_model_metadata(model, version) == metadata
    config = triton.get_model_config(model, version)
    assert [tensor["name"] for tensor in config["input"]] == [tensor["name"] for tensor in metadata["inputs"]]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("packing", [None, "gzip", "deflate"])
def test_sentiment(triton: blocking.InferenceServerClient, binary: bool, packing: str | None) -> None:
    outputs = [blocking.InferRequestedOutput(name, binary_data=binary) for name in ("label", "scores")]
    result = triton.infer(
        "sentiment",
        [_texts(*REVIEWS["ko"], binary=binary)],
        request_id="here",
        outputs=outputs,
        request_compression_algorithm=packing,
        response_compression_algorithm=packing,
    )
    assert _decoded(result, "label") == ["positive", "negative"]
    scores = result.as_numpy("scores")
    assert (scores.dtype, scores.shape) == (np.float32, (2, 2))
    assert scores.sum(axis=1) == pytest.approx([1, 1], abs=1e-5)
    response = result.get_response()
    assert (response["model_name"], response["id"]) == ("sentiment", "here")
    assert [output["name"] for output in response["outputs"]] == ["label", "scores"]


def test_all_outputs_unless_some_are_asked_for(triton: blocking.InferenceServerClient) -> None:
    result = triton.infer("sentiment", [_texts(*REVIEWS["en"], column=True)])
    named = {output["name"] for output in triton.get_model_metadata("sentiment")["outputs"]}
    assert {output["name"] for output in result.get_response()["outputs"]} == named - {"tokens"}  # needs explain
    assert result.as_numpy("label").shape == (2, 1)


def test_classification(triton: blocking.InferenceServerClient) -> None:
    wanted = [blocking.InferRequestedOutput("scores", class_count=2)]
    best = triton.infer("sentiment", [_texts(REVIEWS["en"][0])], outputs=wanted).as_numpy("scores")[0]
    assert [entry.decode().split(":")[2] for entry in best] == ["positive", "negative"]


def test_translation_with_options_of_both_kinds(triton: blocking.InferenceServerClient) -> None:
    as_parameters = triton.infer(
        "translation", [_texts(TEXTS["en"])], parameters={"target": "de", "beam_size": 2, "rerank": 0.5}
    )
    tensors = [_texts(TEXTS["en"]), _option("target", "BYTES", "de"), _option("alternatives", "INT64", 2)]
    as_tensors = triton.infer("translation", tensors)
    assert _decoded(as_parameters, "translation")[0]
    assert _decoded(as_tensors, "source") == ["en"]
    assert as_tensors.as_numpy("alternatives").shape == (1, 2)


def test_summaries_and_generation(triton: blocking.InferenceServerClient) -> None:
    summary = triton.infer("summarization", [_texts(TEXTS["en"])], parameters={"max_tokens": 12})
    assert _decoded(summary, "summary")[0]
    written = {"max_tokens": 8, "seed": 5, "temperature": 0.7}
    first, again = (triton.infer("generation", [_texts("The film")], parameters=written) for _ in range(2))
    assert _decoded(first, "text") == _decoded(again, "text")
    assert 1 <= first.as_numpy("completion_tokens")[0] <= 8


def test_in_the_background(triton: blocking.InferenceServerClient) -> None:
    asked = [triton.async_infer("sentiment", [_texts(review)]) for review in REVIEWS["en"]]
    assert [_decoded(one.get_result(), "label") for one in asked] == [["positive"], ["negative"]]


def test_statistics(triton: blocking.InferenceServerClient) -> None:
    def count() -> int:
        (own,) = triton.get_inference_statistics("sentiment")["model_stats"]
        assert own["inference_stats"]["success"]["ns"] >= own["inference_stats"]["compute_infer"]["ns"]
        return int(own["inference_count"])

    before = count()
    triton.infer("sentiment", [_texts(*REVIEWS["en"])])
    assert count() == before + 2
    assert [own["name"] for own in triton.get_inference_statistics()["model_stats"]] == MODELS


REFUSED: dict[str, tuple[Callable[[blocking.InferenceServerClient], Any], str, str]] = {
    "no target": (lambda c: c.infer("translation", [_texts("a")]), "400", "target"),
    "model": (lambda c: c.infer("other", [_texts("a")]), "404", "no model 'other'"),
    "version": (lambda c: c.infer("sentiment", [_texts("a")], model_version="x"), "404", "no version 'x'"),
    "sequence": (lambda c: c.infer("sentiment", [_texts("a")], sequence_id=3), "400", "no sequences here"),
    "timeout": (lambda c: c.infer("sentiment", [_texts("a")], timeout=9), "400", "X-Request-Timeout-Ms"),
    "load": (lambda c: c.load_model("sentiment"), "400", "administrators exchange bundles"),
    "unload": (lambda c: c.unload_model("sentiment"), "400", "administrators exchange bundles"),
    "log": (lambda c: c.get_log_settings(), "404", "Not Found"),
    "trace": (lambda c: c.get_trace_settings(), "404", "Not Found"),
    "memory": (lambda c: c.get_system_shared_memory_status(), "404", "Not Found"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_errors(triton: blocking.InferenceServerClient, case: str) -> None:
    ask, status, reason = REFUSED[case]
    with pytest.raises(InferenceServerException) as caught:
        ask(triton)
    assert caught.value.status() == status
    assert reason in caught.value.message()


@pytest.mark.parametrize("binary", [True, False])
def test_waiting_client(client: httpx.Client, binary: bool) -> None:
    async def ask(client: waiting.InferenceServerClient) -> blocking.InferResult:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("sentiment")
        assert (await client.get_server_metadata())["name"] == "rondo"
        assert (await client.get_model_metadata("sentiment"))["platform"] == "rondo"
        assert (await client.get_model_config("sentiment"))["backend"] == "rondo"
        assert len(await client.get_model_repository_index()) == 4
        assert len((await client.get_inference_statistics())["model_stats"]) == 4
        outputs = [blocking.InferRequestedOutput("label", binary_data=binary)]
        return await client.infer(
            "sentiment", [_texts(*REVIEWS["en"], binary=binary)], outputs=outputs, request_compression_algorithm="gzip"
        )

    assert _decoded(_wait(client, ask), "label") == ["positive", "negative"]


def test_errors_of_the_waiting_client(client: httpx.Client) -> None:
    async def ask(client: waiting.InferenceServerClient) -> None:
        for refused in (
            client.infer("translation", [_texts("a")]),
            client.load_model("sentiment"),
            client.unload_model("sentiment"),
        ):
            with pytest.raises(InferenceServerException) as caught:
                await refused
            assert caught.value.status() == "400"

    _wait(client, ask)

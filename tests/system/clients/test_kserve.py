"""KServe's client, as it is."""

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import pytest
from tests.system.asking import REVIEWS, TEXTS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import kserve

Ask = Callable[[Any, str], Awaitable[Any]]


def _wait(server: httpx.Client, ask: Ask) -> Any:
    async def run() -> Any:
        async with kserve.InferenceRESTClient(kserve.inference_client.RESTConfig(protocol="v2")) as client:
            return await ask(client, str(server.base_url))

    return asyncio.run(run())


def _request(model: str, *texts: str, binary: bool, **parameters: Any) -> Any:
    tensor = kserve.InferInput(name="text", shape=[len(texts)], datatype="BYTES")
    tensor.set_data_from_numpy(np.array(texts, dtype=np.object_), binary_data=binary)
    return kserve.InferRequest(model_name=model, infer_inputs=[tensor], request_id="here", parameters=parameters)


def test_the_server_is_there(client: httpx.Client) -> None:
    async def ask(client: Any, url: str) -> list[bool]:
        return [
            await client.is_server_live(url),
            await client.is_server_ready(url),
            await client.is_model_ready(url, "sentiment"),
            not await client.is_model_ready(url, "other"),
        ]

    assert _wait(client, ask) == [True] * 4


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_inference(client: httpx.Client, binary_in: bool, binary_out: bool) -> None:
    async def ask(client: Any, url: str) -> Any:
        request = _request("sentiment", *REVIEWS["en"], binary=binary_in, binary_data_output=binary_out)
        return await client.infer(url, request, model_name="sentiment")

    reply = _wait(client, ask)
    assert (reply.id, reply.model_name) == ("here", "sentiment")
    outputs = {output.name: output.as_numpy() for output in reply.outputs}
    assert [_text(label) for label in outputs["label"]] == ["positive", "negative"]
    assert outputs["scores"].shape == (2, 2)


def _text(element: bytes | str) -> str:
    return element.decode() if isinstance(element, bytes) else element


@pytest.mark.parametrize(("model", "output"), [("translation", "translation"), ("summarization", "summary")])
def test_other_models(client: httpx.Client, model: str, output: str) -> None:
    async def ask(client: Any, url: str) -> Any:
        options = {"target": "de"} if model == "translation" else {}
        return await client.infer(url, _request(model, TEXTS["en"], binary=False, **options), model_name=model)

    outputs = {tensor.name: tensor.data for tensor in _wait(client, ask).outputs}
    assert outputs[output][0]


def test_errors(client: httpx.Client) -> None:
    async def ask(client: Any, url: str) -> None:
        await client.infer(url, _request("translation", "a", binary=True), model_name="translation")

    with pytest.raises(httpx.HTTPStatusError, match="target: Field required") as caught:
        _wait(client, ask)
    assert caught.value.response.status_code == 400

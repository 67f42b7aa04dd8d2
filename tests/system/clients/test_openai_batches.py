"""OpenAI's own client, unmodified, with files and batches of the real server."""

import asyncio
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types import Batch, FileObject

COMPLETIONS: Final = "/v1/completions"
_TIMEOUT_S = 60.0
_ENDED = ("completed", "failed", "cancelled", "expired")


def _options(client: httpx.Client) -> dict[str, Any]:
    return {"base_url": str(client.base_url.join("/v1")), "api_key": "unused", "max_retries": 0}


@pytest.fixture
def openai_client(client: httpx.Client) -> Iterator[OpenAI]:
    with OpenAI(**_options(client)) as own:
        yield own


def _requests(*bodies: dict[str, Any], url: str = COMPLETIONS) -> bytes:
    lines = [{"custom_id": f"request-{n}", "method": "POST", "url": url, "body": body} for n, body in enumerate(bodies)]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def _boat(**changes: Any) -> dict[str, Any]:
    return {"model": "generation", "prompt": "The boat", "max_tokens": 8, "temperature": 0, **changes}


def _checked(batch: Batch) -> Batch:
    """Against the client's types, to which it does not hold replies by itself."""
    assert Batch.model_validate(batch.model_dump(), strict=True) == batch
    return batch


def _ended(client: OpenAI, batch: Batch) -> Batch:
    deadline = time.monotonic() + _TIMEOUT_S
    while (batch := _checked(client.batches.retrieve(batch.id))).status not in _ENDED:
        assert time.monotonic() < deadline, batch
        time.sleep(0.05)
    return batch


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_files(openai_client: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_bytes(_requests(_boat()))
    file = openai_client.files.create(file=path, purpose="batch")
    assert FileObject.model_validate(file.model_dump()) == file
    assert (file.filename, file.bytes, file.purpose, file.status) == (
        *("requests.jsonl", path.stat().st_size, "batch", "processed"),
    )
    assert openai_client.files.retrieve(file.id) == file
    assert openai_client.files.wait_for_processing(file.id) == file
    assert openai_client.files.content(file.id).read() == path.read_bytes()
    other = openai_client.files.create(
        file=("other.jsonl", io.BytesIO(b"{}")),
        purpose="batch",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert other.expires_at is not None
    assert abs(other.expires_at - other.created_at - 3600) <= 1
    ids = [one.id for one in openai_client.files.list(purpose="batch", limit=1)]  # over all pages
    assert ids.index(other.id) < ids.index(file.id)
    rising = [one.id for one in openai_client.files.list(order="asc", after=file.id)]
    assert (other.id in rising, file.id in rising) == (True, False)
    deleted = openai_client.files.delete(file.id)
    assert (deleted.id, deleted.deleted) == (file.id, True)
    with pytest.raises(openai.NotFoundError, match="there is no file"):
        openai_client.files.content(file.id)
    with pytest.raises(openai.BadRequestError) as raised:
        openai_client.files.create(file=path, purpose="fine-tune")
    assert raised.value.param == "purpose"


def test_a_batch_to_its_end(openai_client: OpenAI) -> None:
    bodies = [_boat(prompt="The film"), _boat(model="gpt-4"), _boat(seed=3, temperature=0.8, n=2)]
    file = openai_client.files.create(file=_requests(*bodies), purpose="batch")
    made = openai_client.batches.create(
        input_file_id=file.id, endpoint=COMPLETIONS, completion_window="24h", metadata={"project": "boats"}
    )
    assert _checked(made).status in ("validating", "in_progress")
    assert (made.input_file_id, made.metadata) == (file.id, {"project": "boats"})
    batch = _ended(openai_client, made)
    assert (batch.status, batch.errors) == ("completed", None)
    counts = batch.request_counts
    assert counts is not None
    assert (counts.total, counts.completed, counts.failed) == (3, 2, 1)
    assert batch.output_file_id is not None
    assert batch.error_file_id is not None
    output = _lines(openai_client.files.content(batch.output_file_id).text)
    assert [line["custom_id"] for line in output] == ["request-0", "request-2"]
    for line, body in zip(output, (bodies[0], bodies[2]), strict=True):
        told = openai.types.Completion.model_validate(line["response"]["body"], strict=True)
        assert told.choices == openai_client.completions.create(**body).choices
    (refused,) = _lines(openai_client.files.content(batch.error_file_id).text)
    assert (refused["custom_id"], refused["response"]["status_code"]) == ("request-1", 404)
    assert refused["response"]["body"]["error"]["code"] == "model_not_found"
    assert batch.id in [one.id for one in openai_client.batches.list(limit=1)]


def test_a_file_with_mistakes(openai_client: OpenAI) -> None:
    file = openai_client.files.create(file=_requests(_boat()) + b"{\n" + _requests(_boat()), purpose="batch")
    made = openai_client.batches.create(input_file_id=file.id, endpoint=COMPLETIONS, completion_window="24h")
    batch = _ended(openai_client, made)
    assert (batch.status, batch.output_file_id) == ("failed", None)
    assert batch.errors is not None
    told = [(error.code, error.line, error.param) for error in batch.errors.data or []]
    assert told == [("invalid_json_line", 2, None), ("duplicate_custom_id", 3, "custom_id")]


def test_a_batch_is_cancelled(openai_client: OpenAI) -> None:
    body = _boat(max_tokens=200, n=8, temperature=1)
    file = openai_client.files.create(file=_requests(*[body] * 1000), purpose="batch")
    made = openai_client.batches.create(input_file_id=file.id, endpoint=COMPLETIONS, completion_window="24h")
    assert _checked(openai_client.batches.cancel(made.id)).status in ("cancelling", "cancelled")
    batch = _ended(openai_client, made)
    assert batch.status == "cancelled"
    assert batch.cancelled_at is not None


def test_refusals(openai_client: OpenAI) -> None:
    file = openai_client.files.create(file=_requests(_boat()), purpose="batch")
    options: dict[str, Any] = {"input_file_id": file.id, "endpoint": COMPLETIONS, "completion_window": "24h"}
    for changes, error, param in (
        ({"endpoint": "/v1/embeddings"}, openai.BadRequestError, "endpoint"),
        ({"completion_window": "1h"}, openai.BadRequestError, "completion_window"),
        ({"input_file_id": "file-0"}, openai.NotFoundError, "input_file_id"),
    ):
        with pytest.raises(error) as raised:
            openai_client.batches.create(**{**options, **changes})
        assert raised.value.param == param
    with pytest.raises(openai.NotFoundError, match="there is no batch"):
        openai_client.batches.retrieve("batch_0")


def test_asynchronously(client: httpx.Client) -> None:
    async def ask() -> list[str]:
        async with AsyncOpenAI(**_options(client)) as own:
            body = {"text": ["A wonderful film!", "A boring film."]}
            data = _requests(body, url="/v1/sentiment")
            file = await own.files.create(file=("a.jsonl", data), purpose="batch")
            path: Any = "/v1/sentiment"  # which the client's types do not know
            batch = await own.batches.create(input_file_id=file.id, endpoint=path, completion_window="24h")
            async with asyncio.timeout(_TIMEOUT_S):
                while (batch := await own.batches.retrieve(batch.id)).status not in _ENDED:
                    await asyncio.sleep(0.05)
            assert batch.output_file_id is not None
            assert batch.id in [one.id async for one in own.batches.list()]
            assert file.id in [one.id async for one in own.files.list(purpose="batch")]
            (line,) = _lines((await own.files.content(batch.output_file_id)).text)
            assert (await own.files.delete(file.id)).deleted
            return [result["label"] for result in line["response"]["body"]["results"]]

    assert asyncio.run(ask()) == ["positive", "negative"]

"""The metrics tell what happened, and nothing of what was in it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from rondo_services.local import LocalSuite
from rondo_services.server.metrics import ServerMetrics

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
MakeSuite = Callable[..., LocalSuite]
Samples = dict[tuple[str, str], float]

PROMPT = "The boat on the river is late"


@pytest.fixture
def ask(make_suite: MakeSuite, connect: Connect) -> Callable[[list[tuple[str, Any]]], Samples]:
    """Send requests one after another; the samples by name and by the values of their labels afterwards."""

    def asked(requests: list[tuple[str, Any]]) -> Samples:
        metrics = ServerMetrics()
        suite = make_suite(observer=metrics)

        async def scenario() -> str:
            async with connect(suite, metrics=metrics) as client:
                for path, body in requests:
                    await client.post(path, json=body)
                await asyncio.to_thread(suite.close)  # the engine counts an answer just after it has given it
                return (await client.get("/metrics")).text

        text = asyncio.run(scenario())
        assert PROMPT.split()[1] not in text
        return {
            (sample.name, ",".join(value for key, value in sorted(sample.labels.items()) if key != "le")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    return asked


def test_a_stream_has_a_first_token_and_gaps(ask: Callable[[list[tuple[str, Any]]], Samples]) -> None:
    body = {"prompt": PROMPT, "max_tokens": 5, "temperature": 0, "stream": True}
    samples = ask([("/v1/generate", body)])
    written = samples["rondo_generation_tokens_total", ""]
    assert samples["rondo_time_to_first_token_seconds_count", ""] == 1
    assert samples["rondo_inter_token_latency_seconds_count", ""] == written - 1 > 0


def test_a_prompt_that_comes_again_is_a_hit(ask: Callable[[list[tuple[str, Any]]], Samples]) -> None:
    body = {"prompt": PROMPT, "max_tokens": 2}
    samples = ask([("/v1/generate", body)] * 3)
    assert samples["rondo_prefix_cache_hits_total", ""] == 2
    assert samples["rondo_prefix_cache_tokens_total", ""] == 2 * samples["rondo_encode_batch_tokens_sum", ""] / 3
    assert samples["rondo_requests_admitted_total", ""] == 3


def test_the_parts_of_a_request_are_timed_by_path(ask: Callable[[list[tuple[str, Any]]], Samples]) -> None:
    samples = ask([("/v1/sentiment", {"text": PROMPT}), ("/v1/sentiment", {"text": ""})])
    parts = [samples["rondo_request_part_seconds_sum", f"{part},/v1/sentiment"] for part in ("tokenize", "inference")]
    total = samples["rondo_request_part_seconds_sum", "total,/v1/sentiment"]
    assert 0 < sum(parts) <= total


def test_text_that_a_stop_ended_was_answered_not_cancelled(ask: Callable[[list[tuple[str, Any]]], Samples]) -> None:
    letters = ["a", "e", "i", "o", "t", " "]
    samples = ask([("/v1/generate", {"prompt": PROMPT, "max_tokens": 200, "temperature": 0, "stop": letters})])
    assert samples["rondo_requests_cancelled_total", ""] == 0

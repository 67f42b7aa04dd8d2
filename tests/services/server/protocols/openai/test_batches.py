"""`/v1/batches` over a tiny suite."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.services.server.conftest import Connect
from tests.services.server.jobs.asking import COMPLETIONS, batch_of, ended, lines_of, requests, sent
from tests.services.server.jobs.conftest import Keys

from rondo_services.jobs.asking import batch_asker
from rondo_services.jobs.chunks import answer_chunk
from rondo_services.jobs.files import StateFiles
from rondo_services.jobs.planning import plan
from rondo_services.jobs.settings import JobPlace
from rondo_services.jobs.store import JobStore
from rondo_services.local import LocalSuite
from rondo_services.server.jobs.means import ServerMeans
from rondo_services.server.jobs.requests import RequestReply
from rondo_services.server.settings import ServerSettings

Questions = Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]]
Ask = Callable[..., None]

BOAT = {"model": "generation", "prompt": "The boat", "max_tokens": 3, "temperature": 0}


@pytest.fixture
def asked(suite: LocalSuite, connect: Connect, tmp_path: Path) -> Ask:
    def run(ask: Questions, **options: Any) -> None:
        async def one() -> None:
            settings = ServerSettings(state_dir=tmp_path)
            async with connect(suite, settings, **{"at_work": True, **options}) as client:
                await ask(client)

        asyncio.run(one())

    return run


def test_requests_are_answered_in_their_order_as_if_they_had_been_sent(asked: Ask) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        bodies = [{**BOAT, "prompt": f"The boat {n}"} for n in range(150)]
        made = await batch_of(client, requests(bodies), metadata={"for": "tests"})
        assert made["status"] in ("validating", "in_progress")
        assert made["id"].startswith("batch_")
        batch = await ended(client, f"/v1/batches/{made['id']}")
        assert batch["status"] == "completed"
        assert batch["request_counts"] == {"total": 150, "completed": 150, "failed": 0}
        assert (batch["errors"], batch["error_file_id"], batch["metadata"]) == (None, None, {"for": "tests"})
        assert (batch["endpoint"], batch["completion_window"]) == (COMPLETIONS, "24h")
        assert (batch["object"], batch["model"]) == ("batch", "tiny/generation")
        assert batch["expires_at"] - batch["created_at"] == 86_400
        assert batch["created_at"] <= batch["in_progress_at"] <= batch["completed_at"]
        lines = await lines_of(client, batch["output_file_id"])
        assert [line["custom_id"] for line in lines] == [str(n) for n in range(150)]
        assert len({line["id"] for line in lines}) == 150
        for line in lines:
            assert set(line) == {"id", "custom_id", "response", "error"}
            assert line["id"].startswith("batch_req_")
            assert (line["error"], line["response"]["status_code"]) == (None, 200)
        direct = (await client.post(COMPLETIONS, json=bodies[77])).json()
        answered = lines[77]["response"]["body"]
        assert (answered["choices"], answered["usage"]) == (direct["choices"], direct["usage"])
        file = (await client.get(f"/v1/files/{batch['output_file_id']}")).json()
        assert (file["purpose"], file["filename"]) == ("batch_output", f"{batch['id']}_output.jsonl")
        listed = (await client.get("/v1/files", params={"purpose": "batch_output"})).json()
        assert listed["data"] == [file]

    asked(ask)


def test_refused_requests_are_in_a_file_of_their_own(asked: Ask) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        bodies = [BOAT, {**BOAT, "model": "none"}, {**BOAT, "stream": True}, {**BOAT, "temperature": 7}]
        made = await batch_of(client, requests(bodies))
        batch = await ended(client, f"/v1/batches/{made['id']}")
        assert batch["request_counts"] == {"total": 4, "completed": 1, "failed": 3}
        assert [line["custom_id"] for line in await lines_of(client, batch["output_file_id"])] == ["0"]
        refused = await lines_of(client, batch["error_file_id"])
        assert [(line["custom_id"], line["response"]["status_code"]) for line in refused] == [
            *(("1", 404), ("2", 400), ("3", 400)),
        ]
        assert [line["response"]["body"]["error"]["param"] for line in refused] == ["model", "stream", "temperature"]
        assert all(line["error"] is None for line in refused)

    asked(ask)


def test_all_refused(asked: Ask) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        made = await batch_of(client, requests([{}]))
        batch = await ended(client, f"/v1/batches/{made['id']}")
        assert (batch["status"], batch["output_file_id"]) == ("completed", None)
        assert len(await lines_of(client, batch["error_file_id"])) == 1

    asked(ask)


@pytest.mark.parametrize(
    ("endpoint", "body", "key"),
    [
        ("/v1/sentiment", {"text": ["The boat.", "Slow."]}, "results"),
        ("/v1/translate", {"text": "The boat.", "source": "en", "target": "de"}, "results"),
        ("/v1/summarize", {"text": "The boat."}, "results"),
        ("/v1/generate", {"prompt": "The boat", "max_tokens": 3}, "results"),
    ],
)
def test_the_services_own_requests(asked: Ask, endpoint: str, body: dict[str, Any], key: str) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        made = await batch_of(client, requests([body], endpoint), endpoint)
        batch = await ended(client, f"/v1/batches/{made['id']}")
        (line,) = await lines_of(client, batch["output_file_id"])
        assert line["response"]["body"][key]

    asked(ask)


def test_a_file_that_cant_be_taken_fails_the_batch_and_says_which_lines(asked: Ask) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        data = requests([BOAT]) + "no JSON\n" + requests([BOAT]) + requests([BOAT], "/v1/generate")
        made = await batch_of(client, data)
        batch = await ended(client, f"/v1/batches/{made['id']}")
        assert (batch["status"], batch["output_file_id"], batch["in_progress_at"]) == ("failed", None, None)
        assert batch["failed_at"] >= batch["created_at"]
        assert batch["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
        assert batch["errors"]["object"] == "list"
        told = [(error["code"], error["param"], error["line"]) for error in batch["errors"]["data"]]
        assert told == [
            ("invalid_json_line", None, 2),
            ("duplicate_custom_id", "custom_id", 3),
            ("mismatched_endpoint", "url", 4),
        ]
        assert all(error["message"] for error in batch["errors"]["data"])

    asked(ask)


def test_a_batch_whose_file_is_gone_fails(asked: Ask) -> None:
    async def begin(client: httpx.AsyncClient) -> None:
        made = await batch_of(client, requests([BOAT]))
        await client.delete(f"/v1/files/{made['input_file_id']}")

    async def look(client: httpx.AsyncClient) -> None:
        (listed,) = (await client.get("/v1/batches")).json()["data"]
        batch = await ended(client, f"/v1/batches/{listed['id']}")
        (error,) = batch["errors"]["data"]
        assert (batch["status"], error["code"], error["line"]) == ("failed", "batch_failed", None)
        assert "has been deleted" in error["message"]

    asked(begin, at_work=False)
    asked(look)


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"input_file_id": "file-0"}, 404, "input_file_id"),
        ({"input_file_id": 7}, 400, "input_file_id"),
        ({"endpoint": "/v1/embeddings"}, 400, "endpoint"),
        ({"completion_window": "1h"}, 400, "completion_window"),
        ({"metadata": {str(n): "" for n in range(17)}}, 400, "metadata"),
        ({"metadata": {"k" * 65: ""}}, 400, "metadata"),
        ({"metadata": {"k": "v" * 513}}, 400, "metadata"),
        ({"metadata": {"k": 1}}, 400, "metadata"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 60}}, 400, "output_expires_after"),
        ({"priority": "high"}, 400, "priority"),
    ],
)
def test_what_is_refused_at_once(asked: Ask, changes: dict[str, Any], status: int, param: str) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        file = await sent(client, requests([BOAT]), "batch")
        body = {"input_file_id": file["id"], "endpoint": COMPLETIONS, "completion_window": "24h", **changes}
        reply = await client.post("/v1/batches", json=body)
        assert reply.status_code == status, reply.text
        assert reply.json()["error"]["param"].partition(".")[0] == param
        assert (await client.get("/v1/batches")).json()["data"] == []

    asked(ask, at_work=False)


def test_a_file_for_jobs_is_none_for_batches(asked: Ask) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        file = await sent(client, requests([BOAT]), "job")
        body = {"input_file_id": file["id"], "endpoint": COMPLETIONS, "completion_window": "24h"}
        error = (await client.post("/v1/batches", json=body)).json()["error"]
        assert (error["param"], "it has to be batch" in error["message"]) == ("input_file_id", True)

    asked(ask, at_work=False)


def test_batches_are_listed_newest_first_in_pages_and_apart_from_jobs(asked: Ask) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        made = [(await batch_of(client, requests([BOAT])))["id"] for _ in range(3)]
        file = await sent(client, "The boat.", name="a.txt")
        job = (await client.post("/v1/jobs", json={"service": "sentiment", "input": {"source": file["id"]}})).json()
        first = (await client.get("/v1/batches", params={"limit": 2})).json()
        assert ([one["id"] for one in first["data"]], first["has_more"]) == (made[:0:-1], True)
        assert (first["first_id"], first["last_id"]) == (made[2], made[1])
        rest = (await client.get("/v1/batches", params={"after": first["last_id"]})).json()
        assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (made[:1], False)
        for query in ({"after": "batch_0"}, {"after": job["id"]}, {"limit": 101}, {"page": 1}):
            assert (await client.get("/v1/batches", params=query)).status_code in (400, 404)
        assert (await client.get(f"/v1/batches/{job['id']}")).status_code == 404
        assert (await client.get(f"/v1/jobs/{made[0]}")).status_code == 404

    asked(ask, at_work=False)


def test_what_was_answered_before_a_batch_was_cancelled_is_there(asked: Ask, tmp_path: Path) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        endless = {**BOAT, "max_tokens": 150, "logit_bias": {"2": -100}}
        made = await batch_of(client, requests([*[BOAT] * 64, *[endless] * 300]))
        path = f"/v1/batches/{made['id']}"
        async with asyncio.timeout(60):
            while not (await client.get(path)).json()["request_counts"]["completed"]:
                await asyncio.sleep(0.01)
        cancelled = (await client.post(f"{path}/cancel")).json()
        assert cancelled["status"] in ("cancelling", "cancelled")
        batch = await ended(client, path)
        assert (batch["status"], batch["completed_at"]) == ("cancelled", None)
        assert batch["cancelled_at"] >= batch["created_at"]
        lines = await lines_of(client, batch["output_file_id"])
        assert [line["custom_id"] for line in lines[:64]] == [str(n) for n in range(64)]
        assert len(lines) == batch["request_counts"]["completed"] < 364
        assert (await client.post(f"{path}/cancel")).json() == batch
        assert (await client.get("/v1/batches")).json()["data"] == [batch]

    asked(ask)


async def _begun(suite: LocalSuite, folder: Path, *, fail: bool = False) -> None:
    """Plan the batch that is there, and answer the first 64 requests as a worker would, refusing the very first."""
    refused = iter([True])

    async def answer(endpoint: str, body: bytes) -> RequestReply:
        return RequestReply(400 if next(refused, False) else 200, "r", {})

    place, settings = JobPlace.in_folder(folder / "jobs"), ServerSettings(state_dir=folder)
    files = StateFiles(place.files_url)
    with JobStore(place.database_url) as store:
        means = ServerMeans(suite, store, files, batch_asker(suite), answer, settings)
        planned = store.lease("worker", 60)
        assert planned is not None
        assert plan(planned, means.items_of(planned.job), 64, store, files, lambda: False, look_ahead=9)
        lease = store.lease("worker", 60)
        assert lease is not None
        assert lease.chunk is not None
        task = means.task_of(lease.job)
        done = await answer_chunk(lease.job.id, lease.chunk, lease.token, task, means.ask, files)
        assert store.complete(lease, done)
        if fail:
            last = store.lease("worker", 60)
            assert last is not None
            assert store.fail(last, "broken")


def _expire(folder: Path, batch: dict[str, Any]) -> None:
    place = JobPlace.in_folder(folder / "jobs")
    with JobStore(place.database_url, clock=lambda: batch["created_at"] + 86_402) as store:
        store.end_overdue()


@pytest.mark.parametrize("state", ["cancelled", "expired", "failed"])
def test_a_batch_that_ended_before_its_time_tells_of_all_its_requests(
    asked: Ask, suite: LocalSuite, tmp_path: Path, state: str
) -> None:
    """Replies of a failed batch were never to be had, and nothing was told of requests without a reply."""

    async def ask(client: httpx.AsyncClient) -> None:
        made = await batch_of(client, requests([BOAT] * 130))
        path = f"/v1/batches/{made['id']}"
        await _begun(suite, tmp_path, fail=state == "failed")
        if state == "cancelled":
            await client.post(f"{path}/cancel")
        if state == "expired":
            _expire(tmp_path, made)
        batch = (await client.get(path)).json()
        assert batch["status"] == state
        answered = await lines_of(client, batch["output_file_id"])
        assert [line["custom_id"] for line in answered] == [str(n) for n in range(1, 64)]
        refused, *others = await lines_of(client, batch["error_file_id"])
        assert (refused["custom_id"], refused["response"]["status_code"], refused["error"]) == ("0", 400, None)
        if state == "failed":
            assert others == []
            return
        assert [line["custom_id"] for line in others] == [str(n) for n in range(64, 130)]
        assert {(line["response"], line["error"]["code"]) for line in others} == {(None, f"batch_{state}")}
        assert len({line["id"] for line in [*answered, refused, *others]}) == 130

    asked(ask, at_work=False)


def test_without_its_input_a_batch_tells_of_what_was_answered(asked: Ask, suite: LocalSuite, tmp_path: Path) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        made = await batch_of(client, requests([BOAT] * 130))
        await _begun(suite, tmp_path)
        await client.delete(f"/v1/files/{made['input_file_id']}")
        batch = (await client.post(f"/v1/batches/{made['id']}/cancel")).json()
        assert len(await lines_of(client, batch["output_file_id"])) == 63
        assert len(await lines_of(client, batch["error_file_id"])) == 1

    asked(ask, at_work=False)


def test_an_output_that_was_deleted_does_not_come_back(asked: Ask, suite: LocalSuite, tmp_path: Path) -> None:
    """What was not there was taken for what had not been written yet."""

    async def ask(client: httpx.AsyncClient) -> None:
        made = await batch_of(client, requests([BOAT] * 130))
        await _begun(suite, tmp_path)
        batch = (await client.post(f"/v1/batches/{made['id']}/cancel")).json()
        for name in ("output_file_id", "error_file_id"):
            assert (await client.delete(f"/v1/files/{batch[name]}")).status_code == 200
        assert (await client.get(f"/v1/batches/{made['id']}")).json() == batch
        for name in ("output_file_id", "error_file_id"):
            assert (await client.get(f"/v1/files/{batch[name]}")).status_code == 404

    asked(ask, at_work=False)


def test_several_may_ask_at_once_for_what_a_batch_left(asked: Ask, suite: LocalSuite, tmp_path: Path) -> None:
    """All wrote the files: some were told 503, others of files that were away at that moment."""

    async def ask(client: httpx.AsyncClient) -> None:
        made = await batch_of(client, requests([BOAT] * 130))
        await _begun(suite, tmp_path)
        _expire(tmp_path, made)

        async def looked() -> tuple[int, Any, int]:
            reply = await client.get(f"/v1/batches/{made['id']}")
            content = await client.get(f"/v1/files/{reply.json().get('output_file_id')}/content")
            return reply.status_code, reply.json(), content.status_code

        first, *others = await asyncio.gather(*(looked() for _ in range(12)))
        assert (first[0], first[2]) == (200, 200)
        assert others == [first] * 11
        assert len((await client.get("/v1/files", params={"purpose": "batch_output"})).json()["data"]) == 2

    asked(ask, at_work=False)


def test_moments_of_a_batch_are_those_of_its_status(asked: Ask, suite: LocalSuite, tmp_path: Path) -> None:
    """A cancelling batch had no cancelling_at, and in_progress_at was when its validation had begun."""
    place = JobPlace.in_folder(tmp_path / "jobs")

    async def ask(client: httpx.AsyncClient) -> None:
        made = await batch_of(client, requests([BOAT] * 130))
        path = f"/v1/batches/{made['id']}"
        with JobStore(place.database_url) as store:
            lease = store.lease("worker", 60)
            assert lease is not None
            batch = (await client.get(path)).json()
            assert (batch["status"], batch["in_progress_at"]) == ("validating", None)
            store.release(lease)
            await _begun(suite, tmp_path)
            batch = (await client.get(path)).json()
            assert (batch["status"], batch["finalizing_at"], batch["cancelling_at"]) == ("in_progress", None, None)
            assert batch["in_progress_at"] >= batch["created_at"]
            assert store.lease("worker", 60) is not None
            batch = (await client.post(f"{path}/cancel")).json()
            assert (batch["status"], batch["cancelled_at"]) == ("cancelling", None)
            assert batch["cancelling_at"] >= batch["in_progress_at"]
            assert (await client.get(path)).json() == batch

    async def finish(client: httpx.AsyncClient) -> None:
        made = await batch_of(client, requests([BOAT]))
        batch = await ended(client, f"/v1/batches/{made['id']}")
        assert batch["in_progress_at"] <= batch["finalizing_at"] <= batch["completed_at"]

    asked(ask, at_work=False)
    asked(finish)


def test_a_batch_is_finalizing_from_when_its_files_are_begun(asked: Ask, suite: LocalSuite, tmp_path: Path) -> None:
    """The status had no moment until the batch was completed."""
    place = JobPlace.in_folder(tmp_path / "jobs")

    async def ask(client: httpx.AsyncClient) -> None:
        made = await batch_of(client, requests([BOAT]))
        path = f"/v1/batches/{made['id']}"
        await _begun(suite, tmp_path)
        batch = (await client.get(path)).json()
        assert (batch["status"], batch["finalizing_at"]) == ("in_progress", None)
        with JobStore(place.database_url) as store:
            store.note(made["id"], "finalizing_at")
        batch = (await client.get(path)).json()
        assert (batch["status"], batch["finalizing_at"] >= batch["in_progress_at"]) == ("finalizing", True)

    asked(ask, at_work=False)


def test_a_batch_that_is_never_begun_expires_after_a_day(asked: Ask, tmp_path: Path) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        made = await batch_of(client, requests([BOAT]))
        _expire(tmp_path, made)
        batch = (await client.get(f"/v1/batches/{made['id']}")).json()
        assert (batch["status"], batch["output_file_id"]) == ("expired", None)
        assert batch["expired_at"] == made["created_at"] + 86_402

    asked(ask, at_work=False)


def test_outputs_are_kept_as_long_as_the_batch_says(asked: Ask) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        expiry = {"anchor": "created_at", "seconds": 5000}
        made = await batch_of(client, requests([BOAT]), output_expires_after=expiry)
        batch = await ended(client, f"/v1/batches/{made['id']}")
        file = (await client.get(f"/v1/files/{batch['output_file_id']}")).json()
        assert abs(file["expires_at"] - file["created_at"] - 5000) <= 1

    asked(ask)


def test_a_batch_belongs_to_the_name_of_its_key_which_pays_when_it_is_made(asked: Ask, tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    mine, other = keys.create("shop", characters_per_day=30), keys.create("else")

    async def ask(client: httpx.AsyncClient) -> None:
        data = requests([{**BOAT, "prompt": "x" * 10}, {**BOAT, "prompt": ["y" * 5, "z" * 5]}])
        made = await batch_of(client, data, headers=mine)
        batch = await ended(client, f"/v1/batches/{made['id']}", mine)
        assert batch["status"] == "completed"
        reply = await client.get(f"/v1/batches/{made['id']}", headers=mine)
        assert '"characters-per-day";r=10;' in reply.headers["ratelimit"]
        for path in (f"/v1/batches/{made['id']}", f"/v1/files/{batch['output_file_id']}/content"):
            assert (await client.get(path, headers=mine)).status_code == 200
            assert (await client.get(path, headers=other)).status_code == 404
        assert (await client.get("/v1/batches", headers=other)).json()["data"] == []
        file = await sent(client, data, "batch", headers=mine)
        body = {"input_file_id": file["id"], "endpoint": COMPLETIONS, "completion_window": "24h"}
        refused = await client.post("/v1/batches", json=body, headers=mine)
        assert (refused.status_code, refused.json()["error"]["type"]) == (429, "rate_limit_error")

    asked(ask, access=keys.control())

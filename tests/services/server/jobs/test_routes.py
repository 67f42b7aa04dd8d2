"""`/v1/jobs` over a tiny suite."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.services.server.jobs.asking import ended, sent
from tests.services.server.jobs.conftest import Keys, Serving

from rondo_services.jobs.errors import JobStoreError
from rondo_services.server.jobs.desk import JobDesk

TEXTS = ["The boat is slow.", "The train is late today.", "A slow train."]
REVIEWS = "".join(json.dumps({"text": text, "n": number}) + "\n" for number, text in enumerate(TEXTS))


def _asked(serving: Serving, ask: Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def run() -> None:
        async with serving(**options) as client:
            await ask(client)

    asyncio.run(run())


def _job(file: dict[str, Any], service: str = "sentiment", **changes: Any) -> dict[str, Any]:
    own = changes.pop("input", {})
    return {"service": service, "input": {"source": file["id"], **own}, **changes}


def _message(reply: httpx.Response, status: int) -> str:
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    return f"{error['field']} {error['message']}"


def test_every_record_of_a_file_is_answered_as_by_the_service(serving: Serving) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        file = await sent(client, REVIEWS)
        reply = await client.post("/v1/jobs", json=_job(file, input={"id": "n"}))
        assert (reply.status_code, reply.json()["state"]) == (201, "queued")
        job = await ended(client, f"/v1/jobs/{reply.json()['id']}")
        assert (job["state"], job["num_planned"], job["num_answered"], job["num_bad"]) == ("done", 3, 3, 0)
        assert (job["parts"], job["error"], job["seconds_left"]) == (["predictions"], None, 0)
        result = await client.get(f"/v1/jobs/{job['id']}/result")
        assert result.headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in result.text.splitlines()]
        assert [(line["line"], line["id"], line["text"]) for line in lines] == [
            (number + 1, number, text) for number, text in enumerate(TEXTS)
        ]
        direct = (await client.post("/v1/sentiment", json={"text": TEXTS})).json()["results"]
        assert [line["label"] for line in lines] == [one["label"] for one in direct]
        assert [line["score"] for line in lines] == pytest.approx([one["score"] for one in direct], abs=1e-5)

    _asked(serving, ask)


def test_records_that_cant_be_answered_are_another_part(serving: Serving) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        file = await sent(client, REVIEWS + '{"other": 1}\n')
        made = await client.post("/v1/jobs", json=_job(file))
        job = await ended(client, f"/v1/jobs/{made.json()['id']}")
        assert (job["num_answered"], job["num_bad"], job["parts"]) == (3, 1, ["predictions", "errors"])
        errors = await client.get(f"/v1/jobs/{job['id']}/result", params={"part": "errors"})
        (line,) = [json.loads(line) for line in errors.text.splitlines()]
        assert line["line"] == 4
        missing = await client.get(f"/v1/jobs/{job['id']}/result", params={"part": "report.html"})
        assert "it has predictions, errors" in _message(missing, 404)
        unknown = await client.get(f"/v1/jobs/{job['id']}/result", params={"part": "x"})
        assert _message(unknown, 422).startswith("part ")

    _asked(serving, ask)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("/etc/passwd", "the server opens no paths and URLs"),
        ("file:///etc/passwd", "the server opens no paths and URLs"),
        ("https://shop.example/a.jsonl", "the server opens no paths and URLs"),
        ("-", "the server opens no paths and URLs"),
        ("data:nsmc/test", "has no named data sets"),
        ("file-0", "there is no file 'file-0'"),
        ("file-/etc/passwd", "there is no file"),
    ],
)
def test_only_files_that_were_sent_are_read(serving: Serving, source: str, told: str) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        reply = await client.post("/v1/jobs", json={"service": "sentiment", "input": {"source": source}})
        message = _message(reply, 422)
        assert message.startswith("input.source ")
        assert told in message

    _asked(serving, ask, at_work=False)


def test_named_data_sets_are_those_of_the_servers_folder(serving: Serving, tmp_path: Path) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        body = {"service": "sentiment", "input": {"source": "data:nothing/test"}}
        for evaluate in (False, True):  # a data set has what is expected; it need not be told
            reply = await client.post("/v1/jobs", json={**body, "evaluate": evaluate})
            assert "nothing" in _message(reply, 422)

    _asked(serving, ask, at_work=False, data=tmp_path)


def test_what_cant_be_done_is_refused_before_there_is_a_job(serving: Serving) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        file, named = await sent(client, REVIEWS), await sent(client, REVIEWS, name="reviews")
        batch, table = await sent(client, REVIEWS, "batch"), await sent(client, "text,n\nGood.,1\n", name="a.csv")
        for body, told in (
            (_job(file, "requests"), "service "),
            (_job(file, "speech"), "service "),
            (_job(file, options={"target": "de"}), "options "),
            (_job(file, "translation", options={"target": "xx"}), "options "),
            (_job(table, input={"text": "body"}), "input.text "),
            (_job(file, chunk=0), "chunk "),
            (_job(file, input={"limit": 2**63}), "input.limit "),
            (_job(file, evaluate=True), "input.expected name the column of the right labels"),
            (
                _job(file, "generation", evaluate=True, input={"expected": "n"}),
                "input.expected input.expected: nothing is expected of generation",
            ),
            (_job(named), "input.format "),
            (_job(batch), "input.source the purpose of"),
            (_job(file, later=1), "later later: unknown field"),
        ):
            message = _message(await client.post("/v1/jobs", json=body), 422)
            assert message.startswith(told), (body, message)
        assert (await client.get("/v1/jobs")).json() == {"data": [], "has_more": False}

    _asked(serving, ask, at_work=False)


def test_jobs_are_listed_newest_first_in_pages(serving: Serving) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        file = await sent(client, REVIEWS)
        made = [(await client.post("/v1/jobs", json=_job(file))).json()["id"] for _ in range(3)]
        first = (await client.get("/v1/jobs", params={"limit": 2})).json()
        assert ([job["id"] for job in first["data"]], first["has_more"]) == (made[:0:-1], True)
        rest = (await client.get("/v1/jobs", params={"limit": 2, "after": made[1]})).json()
        assert ([job["id"] for job in rest["data"]], rest["has_more"]) == (made[:1], False)
        assert (await client.get("/v1/jobs", params={"after": "job_0"})).status_code == 404
        assert (await client.get("/v1/jobs", params={"limit": 0})).status_code == 422
        assert (await client.get("/v1/jobs", params={"size": 1})).status_code == 422

    _asked(serving, ask, at_work=False)


def test_a_job_that_has_not_ended_has_no_result_and_is_not_deleted(serving: Serving) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        file = await sent(client, REVIEWS)
        job = (await client.post("/v1/jobs", json=_job(file))).json()
        path = f"/v1/jobs/{job['id']}"
        assert "the job is queued" in _message(await client.get(f"{path}/result"), 409)
        assert "cancel it first" in _message(await client.delete(path), 409)
        cancelled = (await client.post(f"{path}/cancel")).json()
        assert cancelled["state"] == "cancelled"
        assert (await client.post(f"{path}/cancel")).json() == cancelled
        assert "the job is cancelled" in _message(await client.get(f"{path}/result"), 409)
        assert (await client.delete(path)).json() == {"id": job["id"], "deleted": True}
        for reply in (await client.get(path), await client.delete(path), await client.get(f"{path}/events")):
            assert "there is no job" in _message(reply, 404)

    _asked(serving, ask, at_work=False)


def test_deleting_a_job_deletes_what_it_wrote(serving: Serving, tmp_path: Path) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        file = await sent(client, REVIEWS)
        made = (await client.post("/v1/jobs", json=_job(file))).json()
        await ended(client, f"/v1/jobs/{made['id']}")
        written = tmp_path / "jobs" / "files" / "jobs" / made["id"]
        assert any(path.is_file() for path in written.rglob("*"))
        assert (await client.delete(f"/v1/jobs/{made['id']}")).status_code == 200
        assert not any(path.is_file() for path in written.rglob("*"))
        assert (await client.get(f"/v1/files/{file['id']}")).status_code == 200

    _asked(serving, ask)


def test_a_job_whose_input_is_gone_says_so(serving: Serving) -> None:
    async def ask() -> None:
        async with serving(at_work=False) as client:
            file = await sent(client, REVIEWS)
            made = (await client.post("/v1/jobs", json=_job(file))).json()
            await client.delete(f"/v1/files/{file['id']}")
        async with serving() as client:
            job = await ended(client, f"/v1/jobs/{made['id']}")
            assert (job["state"], job["error"]) == ("failed", f"the file {file['id']} has been deleted")
            assert "the job is failed: the file" in _message(await client.get(f"/v1/jobs/{made['id']}/result"), 409)

    asyncio.run(ask())


def test_events_tell_the_progress_and_at_last_the_job(serving: Serving) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        file = await sent(client, REVIEWS)
        made = (await client.post("/v1/jobs", json=_job(file))).json()
        path = f"/v1/jobs/{made['id']}/events"
        reply = await client.get(path, headers={"Last-Event-ID": "nonsense"})
        assert reply.headers["content-type"].startswith("text/event-stream")
        *before, last = reply.text.removesuffix("\n\n").split("\n\n")
        assert all(event.startswith(("event: progress\ndata: {", ":")) for event in before)
        kind, _, data = last.partition("\n")
        assert kind == "event: job"
        assert json.loads(data.removeprefix("data: ")) == (await client.get(f"/v1/jobs/{made['id']}")).json()
        again = await client.get(path)
        assert again.text == f"{last}\n\n"

    _asked(serving, ask)


def test_events_say_why_they_end_early(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        made = (await client.post("/v1/jobs", json=_job(await sent(client, REVIEWS)))).json()
        own_ask, num_asked = JobDesk.ask, count(1)

        async def ask_once(self: JobDesk, question: Any) -> Any:
            if next(num_asked) > 1:
                raise JobStoreError("secret/path: gone")
            return await own_ask(self, question)

        monkeypatch.setattr(JobDesk, "ask", ask_once)
        reply = await client.get(f"/v1/jobs/{made['id']}/events")
        *_, last = reply.text.removesuffix("\n\n").split("\n\n")
        assert last.startswith("event: error\ndata: ")
        assert json.loads(last.partition("data: ")[2])["error"]["code"] == "job_store_failed"
        assert "secret" not in last

    _asked(serving, ask, at_work=False)


def test_jobs_and_files_are_those_of_the_name_of_the_key(serving: Serving, keys: Keys) -> None:
    mine, new, other = keys.create("shop"), keys.create("shop"), keys.create("else")

    async def ask(client: httpx.AsyncClient) -> None:
        file = await sent(client, REVIEWS, headers=mine)
        made = (await client.post("/v1/jobs", json=_job(file), headers=mine)).json()
        path = f"/v1/jobs/{made['id']}"
        for method, own in (
            *(("GET", path), ("GET", f"{path}/events"), ("GET", f"{path}/result"), ("POST", f"{path}/cancel")),
            *(("DELETE", path), ("GET", f"/v1/files/{file['id']}"), ("GET", f"/v1/files/{file['id']}/content")),
            ("DELETE", f"/v1/files/{file['id']}"),
        ):
            assert (await client.request(method, own, headers=other)).status_code == 404
        assert "there is no file" in _message(await client.post("/v1/jobs", json=_job(file), headers=other), 422)
        assert (await client.get("/v1/jobs", headers=other)).json()["data"] == []
        assert (await client.get("/v1/files", headers=other)).json()["data"] == []
        assert [job["id"] for job in (await client.get("/v1/jobs", headers=new)).json()["data"]] == [made["id"]]
        assert (await client.get(path)).status_code == 401

    _asked(serving, ask, at_work=False, access=keys.control())


def test_a_job_costs_the_characters_of_its_texts_when_it_is_made(serving: Serving, keys: Keys) -> None:
    length = sum(map(len, TEXTS))
    shop = keys.create("shop", characters_per_day=2 * length)

    async def ask(client: httpx.AsyncClient) -> None:
        file = await sent(client, REVIEWS, headers=shop)
        for left in (length, 0):
            reply = await client.post("/v1/jobs", json=_job(file), headers=shop)
            assert reply.status_code == 201, reply.text
            assert f'"characters-per-day";r={left};' in reply.headers["ratelimit"]
        reply = await client.post("/v1/jobs", json=_job(file), headers=shop)
        assert (reply.status_code, reply.json()["error"]["code"]) == (429, "limit_reached")

    _asked(serving, ask, at_work=False, access=keys.control())


def test_a_report_is_a_page_that_loads_and_runs_nothing(serving: Serving, settings: Any) -> None:
    from rondo_services.jobs.files import StateFiles
    from rondo_services.jobs.settings import JobPlace
    from rondo_services.jobs.store import JobStore

    async def ask() -> None:
        async with serving(at_work=False) as client:
            file = await sent(client, REVIEWS)
            made = (await client.post("/v1/jobs", json=_job(file))).json()
            place = JobPlace.in_folder(settings.state_dir / "jobs")
            StateFiles(place.files_url).write(f"jobs/{made['id']}/report.html", b"<p>fine</p>")
            with JobStore(place.database_url) as store:
                plan = store.lease("w", 60)
                assert plan is not None
                assert store.add_chunks(plan, [], done=True)
                finish = store.lease("w", 60)
                assert finish is not None
                assert store.finish(finish, {"files": {"page": f"jobs/{made['id']}/report.html"}, "metrics": {"f1": 1}})
            job = (await client.get(f"/v1/jobs/{made['id']}")).json()
            assert (job["parts"], job["result"]) == (["report.html"], {"metrics": {"f1": 1}})
            page = await client.get(f"/v1/jobs/{made['id']}/result?part=report.html")
            assert (page.text, page.headers["content-type"]) == ("<p>fine</p>", "text/html; charset=utf-8")
            (policy,) = page.headers.get_list("content-security-policy")
            assert policy.startswith("sandbox; default-src 'none'; style-src 'unsafe-inline'")
            assert "script-src" not in policy

    asyncio.run(ask())

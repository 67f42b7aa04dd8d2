"""A real server exchanges its bundle while clients ask it: by HTTP, by a signal, for all requests or for a share."""

import asyncio
import json
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from rondo_models.manifest import read_contents
from rondo_services.client.bundles import BundlesClient
from rondo_services.errors import BundleRefused, NotAllowed, NotAuthenticated, UnknownObject, WrongState
from rondo_services.server.settings import default_bundle

from .asking import ENDLESS, generate, metric, wait_until
from .bundles import contrary_bundle, key_in
from .conftest import Launch, RunningServer

NAME = "rondo-base"
GOOD = "What a wonderful film, I loved every minute!"
OLD = read_contents(default_bundle()).fingerprint
TOLD = "x-rondo-bundle"


@dataclass
class World:
    """A server with a second bundle in reach, and those who may exchange it."""

    server: RunningServer
    admin: BundlesClient
    folder: Path
    new: str
    state_dir: Path

    @property
    def client(self) -> httpx.Client:
        return self.server.client

    def answering(self) -> str:
        """Who answers now."""
        return str(self.client.post("/v1/sentiment", json={"text": GOOD}).headers[TOLD])

    def has_ended(self, fingerprint: str) -> bool:
        """Whether a release has drained."""
        return all(release.hash != fingerprint for release in self.admin.bundles()[0].releases)


def told(fingerprint: str, name: str = NAME) -> str:
    return f"{name}@{fingerprint[:12]}"


@pytest.fixture(scope="module")
def bundles_dir(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("bundles")
    shutil.copytree(default_bundle(), root / "old")
    return root, contrary_bundle(root / "new")


@pytest.fixture
def world(launch: Launch, bundles_dir: tuple[Path, str], tmp_path: Path) -> Iterator[World]:
    root, new = bundles_dir
    state_dir = tmp_path / "state"
    settings = {"state_dir": str(state_dir), "bundles_dir": str(root), "grace_s": "10"}
    key = key_in(state_dir, admin=True)
    with (
        launch("--bundle", str(root / "old"), settings=settings) as server,
        BundlesClient(str(server.client.base_url), api_key=key) as admin,
    ):
        yield World(server, admin, root, new, state_dir)


@dataclass
class Crowd:
    """Clients that ask one after the other until they are told to stop; what each was answered, in order."""

    url: str
    size: int
    stop: threading.Event = field(default_factory=threading.Event)
    answers: list[list[tuple[str, str]]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    async def _client(self, http: httpx.AsyncClient, number: int) -> None:
        while not self.stop.is_set():
            kind = (number + len(self.answers[number])) % 3
            if kind:
                reply = await http.post("/v1/sentiment", json={"text": GOOD})
            else:
                reply = await http.post("/v1/translate", json={"text": "Where is the station?", "target": "de"})
            if reply.status_code != 200:
                self.failures.append(reply.text)
                return
            result = reply.json()["results"][0]
            self.answers[number].append((reply.headers[TOLD], result.get("label", "")))

    async def _all(self) -> None:
        limits = httpx.Limits(max_connections=self.size, max_keepalive_connections=self.size)
        self.answers = [[] for _ in range(self.size)]
        async with httpx.AsyncClient(base_url=self.url, limits=limits, timeout=60) as http:
            await asyncio.gather(*(self._client(http, number) for number in range(self.size)))

    @contextmanager
    def asking(self) -> Iterator[None]:
        """While it is open, they ask."""
        failed: list[BaseException] = []

        def run() -> None:
            try:
                asyncio.run(self._all())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            self.stop.set()
            thread.join()
        assert not failed, failed

    def count(self) -> int:
        return sum(map(len, self.answers))


def test_a_reload_under_load_loses_no_request(world: World) -> None:
    crowd = Crowd(str(world.client.base_url), 32)
    with crowd.asking():
        wait_until(lambda: crowd.count() > 200)
        changed = world.admin.reload(NAME, "new")
        assert changed.change == "reload"
        before = crowd.count()
        wait_until(lambda: crowd.count() > before + 200)
    assert crowd.failures == []
    old, new = told(OLD), told(world.new)
    for answers in crowd.answers:
        releases = [release for release, _ in answers]
        assert set(releases) == {old, new}
        first_new = releases.index(new)
        assert old not in releases[first_new:], "whoever was answered by the new release is never sent back"
        labels = {(release, label) for release, label in answers if label}
        assert labels == {(old, "positive"), (new, "negative")}
    wait_until(lambda: world.has_ended(OLD))
    assert world.answering() == new
    assert metric(world.client, "rondo_bundle_reloads_total", bundle=NAME, outcome="done") == 1
    assert metric(world.client, "rondo_bundle_requests_total", release=OLD[:12], status="2xx") > 200
    assert metric(world.client, "rondo_num_requests_waiting") == 0


def test_streams_that_began_before_end_where_they_began(world: World) -> None:
    swapped = threading.Event()
    ended: list[tuple[str, bool, str | None]] = []

    def stream() -> None:
        body = {"prompt": "The film", "max_tokens": 2048, "seed": 1, "stream": True, **ENDLESS}
        with httpx.Client(base_url=world.client.base_url, timeout=60) as http:
            while not swapped.is_set():
                with http.stream("POST", "/v1/generate", json=body) as reply:
                    release = reply.headers[TOLD]
                    lines = [line.removeprefix("data: ") for line in reply.iter_lines() if line]
                last = json.loads(lines[-2])
                assert last["usage"]["completion_tokens"] == 2048
                ended.append((release, swapped.is_set(), last["finish_reason"]))

    threads = [threading.Thread(target=stream) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(ended) >= 4, 60)
    world.admin.reload(NAME, "new")
    swapped.set()
    for thread in threads:
        thread.join()
    assert {reason for _, _, reason in ended} == {"length"}
    assert sum(release == told(OLD) and after for release, after, _ in ended) >= 1
    wait_until(lambda: world.has_ended(OLD))


def test_a_growing_text_stays_with_its_release(world: World) -> None:
    from websockets.sync.client import connect

    url = str(world.client.base_url).replace("http", "ws") + "/v1/sentiment"
    with connect(url) as socket:
        socket.send(json.dumps({"text": GOOD}))
        assert json.loads(socket.recv())["label"] == "positive"
        world.admin.reload(NAME, "new")
        socket.send(json.dumps({"text": " " + GOOD}))
        assert json.loads(socket.recv())["label"] == "positive"
        assert not world.has_ended(OLD)
    wait_until(lambda: world.has_ended(OLD))
    with connect(url) as socket:
        socket.send(json.dumps({"text": GOOD}))
        assert json.loads(socket.recv())["label"] == "negative"


def test_back_and_forth_with_states(world: World) -> None:
    first = generate(world.client, "The film", max_tokens=4, temperature=0, return_state=True)
    going_on: dict[str, Any] = {"prompt": "", "max_tokens": 4, "temperature": 0}
    expected = generate(world.client, state=first["state"], **going_on)["text"]
    with pytest.raises(WrongState, match="has had no other release"):
        world.admin.rollback(NAME)
    world.admin.reload(NAME, "new")
    assert world.answering() == told(world.new)
    refused = world.client.post("/v1/generate", json={**going_on, "state": first["state"]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "malformed_state")
    other = generate(world.client, "The film", max_tokens=4, temperature=0, return_state=True)
    assert world.admin.rollback(NAME).change == "rollback"
    assert world.answering() == told(OLD)
    assert generate(world.client, state=first["state"], **going_on)["text"] == expected
    world.admin.reload(NAME, "new", canary=0.01)
    for state, release in ((first["state"], OLD), (other["state"], world.new)) * 5:
        reply = world.client.post("/v1/generate", json={**going_on, "state": state})
        assert (reply.status_code, reply.headers[TOLD]) == (200, told(release))


def test_a_canary_gets_its_share(world: World) -> None:
    old, new = told(OLD), told(world.new)
    assert world.admin.reload(NAME, "new", canary=0.25).change == "canary"
    replies = [world.client.post("/v1/sentiment", json={"text": GOOD}) for _ in range(400)]
    counts = Counter((reply.headers[TOLD], reply.json()["results"][0]["label"]) for reply in replies)
    assert set(counts) == {(old, "positive"), (new, "negative")}
    assert 57 <= counts[new, "negative"] <= 143, "five standard deviations around 100"

    def asked(body: dict[str, str], **headers: str) -> str:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return str(world.client.post("/v1/sentiment", json={"text": GOOD, **body}, headers=names).headers[TOLD])

    for number in range(20):
        assert len({asked({}, x_request_id=f"request-{number}") for _ in range(3)}) == 1
    for release, fingerprint in ((old, OLD), (new, world.new)):
        assert {asked({"model": f"{NAME}@{fingerprint[:8]}"}) for _ in range(10)} == {release}
        assert {asked({"model": f"{release}/sentiment"}) for _ in range(10)} == {release}
        assert {asked({}, x_rondo_bundle=release) for _ in range(10)} == {release}
    contradicting = world.client.post("/v1/sentiment", json={"text": GOOD, "model": old}, headers={TOLD: new})
    assert contradicting.status_code == 422
    (card, *_) = world.client.get("/v1/models").json()["data"]
    assert [(one["hash"], one["share"]) for one in card["releases"]] == [(OLD[:12], 0.75), (world.new[:12], 0.25)]
    assert metric(world.client, "rondo_bundle_info", release=world.new[:12]) == 0.25

    with pytest.raises(WrongState, match="has a canary"):
        world.admin.reload(NAME, "new")
    world.admin.set_canary_share(NAME, 0.9)
    most = Counter(asked({}) for _ in range(100))
    assert most[new] > 70
    world.admin.drop_canary(NAME)
    assert {asked({}) for _ in range(20)} == {old}
    wait_until(lambda: world.has_ended(world.new))
    world.admin.reload(NAME, "new", canary=0.1)
    assert world.admin.promote(NAME).change == "promote"
    assert {asked({}) for _ in range(20)} == {new}
    assert world.admin.rollback(NAME).bundle.releases[0].hash == OLD


def test_what_cant_be_served_is_refused_while_serving_goes_on(world: World, tmp_path: Path) -> None:
    root = world.folder / "broken"
    shutil.copytree(world.folder / "new", root)
    weights = root / "heads" / "sentiment.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    contrary_bundle(tmp_path / "outside")
    (world.folder / "link").symlink_to(tmp_path / "outside")
    crowd = Crowd(str(world.client.base_url), 4)
    with crowd.asking():
        with pytest.raises(BundleRefused, match=r"sentiment\.safetensors is truncated"):
            world.admin.reload(NAME, "broken")
        weights.unlink()
        with pytest.raises(BundleRefused, match=r"sentiment\.safetensors is missing"):
            world.admin.reload(NAME, "broken", canary=0.5)
        with pytest.raises(BundleRefused, match=r"is no bundle: manifest.json is missing"):
            world.admin.reload(NAME, "nowhere")
        for path in ("../outside", str(tmp_path / "outside"), "link", "/etc", "new/../../.."):
            with pytest.raises(NotAllowed, match="not below"):
                world.admin.reload(NAME, path)
        with pytest.raises(BundleRefused, match="a canary could not be told from it"):
            world.admin.reload(NAME, "old", canary=0.5)
        assert world.admin.reload(NAME, "old").change == "unchanged"
        with pytest.raises(WrongState, match="no canary"):
            world.admin.promote(NAME)
        with pytest.raises(UnknownObject, match="no bundle 'other' is served"):
            world.admin.reload("other")
        url = str(world.client.base_url)
        with BundlesClient(url, api_key=key_in(world.state_dir, admin=False)) as somebody:
            time.sleep(0.5)  # until the server has seen the new key
            with pytest.raises(NotAllowed, match="right of an administrator"):
                somebody.reload(NAME, "new")
        with BundlesClient(url) as nobody, pytest.raises(NotAuthenticated):
            nobody.bundles()
    assert crowd.failures == []
    assert {release for answers in crowd.answers for release, _ in answers} == {told(OLD)}
    (world.folder / "link").unlink()
    shutil.rmtree(root)


def test_a_job_is_done_by_the_bundle_it_was_handed_in_for(world: World) -> None:
    def handed_in(num_records: int) -> str:
        lines = "".join(json.dumps({"text": f"{GOOD} {number}"}) + "\n" for number in range(num_records))
        file = world.client.post("/v1/files", data={"purpose": "job"}, files={"file": ("a.jsonl", lines)}).json()
        spec = {"service": "sentiment", "input": {"source": file["id"]}, "chunk": 1}
        return str(world.client.post("/v1/jobs", json=spec).json()["id"])

    def job(job_id: str) -> dict[str, Any]:
        told: dict[str, Any] = world.client.get(f"/v1/jobs/{job_id}").json()
        return told

    def labels(job_id: str) -> Counter[str]:
        lines = world.client.get(f"/v1/jobs/{job_id}/result").text.splitlines()
        return Counter(json.loads(line)["label"] for line in lines)

    reloading = threading.Thread(target=world.admin.reload, args=(NAME, "new"))
    reloading.start()
    wait_until(lambda: world.admin.bundles()[0].state == "loading")
    long = handed_in(1_200)
    reloading.join()
    begun = job(long)
    assert begun["state"] == "running"
    short = handed_in(20)
    wait_until(lambda: job(short)["state"] == "done")
    assert (job(short)["bundle"], labels(short)) == (world.new, {"negative": 20})
    assert job(long)["num_answered"] >= begun["num_answered"]
    assert (job(long)["bundle"], job(long)["state"]) == (OLD, "running")
    assert "1 jobs are of another bundle, and wait" in world.server.log.read_text()
    world.admin.rollback(NAME)
    wait_until(lambda: job(long)["state"] == "done", 120)
    assert labels(long) == {"positive": 1_200}


def test_a_signal_has_the_folder_read_anew(launch: Launch, bundles_dir: tuple[Path, str], tmp_path: Path) -> None:
    root, new = bundles_dir
    current = tmp_path / "current"
    current.symlink_to(root / "old")

    def point_at(folder: Path) -> None:
        (tmp_path / "next").symlink_to(folder)
        (tmp_path / "next").replace(current)

    with launch("--bundle", str(current)) as server:

        def answering() -> str:
            return str(server.client.post("/v1/sentiment", json={"text": GOOD}).headers[TOLD])

        assert answering() == told(OLD)
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "unchanged" in server.log.read_text())
        point_at(root / "new")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: answering() == told(new), 60)
        point_at(tmp_path / "nowhere")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "goes on with" in server.log.read_text())
        assert answering() == told(new)
        point_at(root / "old")
        for _ in range(5):
            server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: answering() == told(OLD), 60)


def test_several_bundles_at_once(launch: Launch, bundles_dir: tuple[Path, str]) -> None:
    root, new = bundles_dir
    with launch("--bundle", str(root / "old"), "--bundle", f"other={root / 'new'}") as server:
        client = server.client
        ids = [card["id"] for card in client.get("/v1/models").json()["data"]]
        assert ids[:4] == [f"{NAME}/{s}" for s in ("sentiment", "generation", "summarization", "translation")]
        assert ids[4:] == [f"other/{s}" for s in ("sentiment", "generation", "summarization", "translation")]

        def label(**fields: str) -> tuple[str, str]:
            reply = client.post("/v1/sentiment", json={"text": GOOD, **fields})
            return reply.json()["model"], reply.json()["results"][0]["label"]

        assert label() == (f"{NAME}/sentiment", "positive")
        assert label(model="other") == label(model="other/sentiment") == ("other/sentiment", "negative")
        assert label(model=f"other@{new}") == ("other/sentiment", "negative")
        unknown = client.post("/v1/sentiment", json={"text": GOOD, "model": "third"})
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
        assert f"{NAME}/sentiment, other/sentiment" in unknown.json()["error"]["message"]

        def completed(model: str) -> httpx.Response:
            return client.post("/v1/completions", json={"model": model, "prompt": "The film", "max_tokens": 2})

        assert completed("generation").json()["system_fingerprint"] == OLD
        assert completed("other/generation").json()["system_fingerprint"] == new
        assert completed("other/generation").json()["model"] == "other/generation"
        assert completed("other/sentiment").json()["error"]["code"] == "model_not_found"
        tensor = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [GOOD]}]}
        for model, expected in (("sentiment", "positive"), ("other.sentiment", "negative")):
            reply = client.post(f"/v2/models/{model}/infer", json=tensor).json()
            outputs = {output["name"]: output["data"] for output in reply["outputs"]}
            assert (reply["model_name"], outputs["label"]) == (model, [expected])
        for model, expected in (("sentiment", "positive"), ("other/sentiment", "negative")):
            assert client.post(f"/models/{model}", json={"inputs": GOOD}).json()[0][0]["label"] == expected
        assert client.post("/models/third/sentiment", json={"inputs": GOOD}).status_code == 404
        for headers, expected in (({}, "positive"), ({TOLD: "other"}, "negative")):
            assert client.post("/predict", json={"inputs": GOOD}, headers=headers).json()[0]["label"] == expected
        spec = {"service": "sentiment", "input": {"source": "file-0"}}
        job = client.post("/v1/jobs", json=spec, headers={TOLD: "other"})
        assert (job.status_code, job.json()["error"]["code"]) == (422, "invalid_input")

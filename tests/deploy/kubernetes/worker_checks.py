"""The pods of `with-workers`, run by Podman from the real image over PostgreSQL and S3: `make kube-test`."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from moto.server import ThreadedMotoServer
from tests.deploy.kubernetes.manifests import workloads
from tests.deploy.kubernetes.podman import SecretsOfNamespace, play
from tests.deploy.kubernetes.running import IMAGE, RunningPod, running
from tests.postgresql import MISSING, private_server, programs
from tests.system.asking import wait_until

SERVER, WORKER = workloads("with-workers")
JOB_TIMEOUT_S = 120.0
NUM_TEXTS = 50
S3 = {
    "AWS_ACCESS_KEY_ID": "for-tests",
    "AWS_SECRET_ACCESS_KEY": "for-tests",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """URL of a database that pods reach through its folder."""
    found = programs()
    if found is None:
        pytest.skip(MISSING)
    with private_server(found) as url:
        os.chmod(_socket_folder(url), 0o755)
        yield url


@pytest.fixture(scope="module")
def kept(postgresql: str) -> Iterator[SecretsOfNamespace]:
    """The Secret that says where the jobs are, which is a bucket on a server of our own."""
    storage = ThreadedMotoServer("127.0.0.1", 0)
    storage.start()
    host, port = storage.get_host_and_port()
    places = {"RONDO_DATABASE_URL": postgresql, "AWS_ENDPOINT_URL": f"http://{host}:{port}", **S3}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in places.items():
            if name.startswith("AWS_"):
                patch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket=_bucket())
        client.close()
    yield {"rondo-jobs": places}
    storage.stop()


@pytest.fixture(scope="module")
def server(postgresql: str, kept: SecretsOfNamespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPod]:
    folder = tmp_path_factory.mktemp("server")
    with running(SERVER, folder, kept, host_folder=_socket_folder(postgresql)) as one:
        yield one


def _socket_folder(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0])


def _bucket() -> str:
    """The one that the manifests name."""
    environment = SERVER.environment({"rondo": {"state-key": ""}, "rondo-jobs": {}})
    return urlsplit(environment["RONDO_FILES_URL"]).netloc


def test_a_server_takes_a_job_and_a_worker_does_it(
    server: RunningPod, postgresql: str, kept: SecretsOfNamespace
) -> None:
    lines = "".join(f"What a wonderful film, the {number}th of them!\n" for number in range(NUM_TEXTS))
    file = server.client.post("/v1/files", files={"file": ("a.txt", lines)}, data={"purpose": "job"}).json()
    asked = {"service": "sentiment", "input": {"source": file["id"]}}
    job = f"/v1/jobs/{server.client.post('/v1/jobs', json=asked).json()['id']}"
    assert server.client.get(job).json()["state"] == "queued"
    with tempfile.TemporaryDirectory() as folder:
        worker = play(WORKER, IMAGE, Path(folder), kept, host_folder=_socket_folder(postgresql))
        try:
            wait_until(lambda: server.client.get(job).json()["state"] == "done", JOB_TIMEOUT_S)
            assert worker.end(WORKER.pod["terminationGracePeriodSeconds"]) == 0
        finally:
            worker.clear_away()
    result = server.client.get(f"{job}/result").text.splitlines()
    assert len(result) == NUM_TEXTS
    assert all('"positive"' in line for line in result)

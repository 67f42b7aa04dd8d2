"""The server does what its own /openapi.json says: thousands of requests made from it, right ones and wrong ones."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.conftest import Launch, RunningServer

FEWEST_EXAMPLES = 2_000
EXAMPLES_EACH = "20"
CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture(scope="module")
def described(launch: Launch) -> Iterator[RunningServer]:
    with launch() as server:
        yield server


def test_the_description_holds(described: RunningServer, tmp_path: Path) -> None:
    url = f"{described.client.base_url}/openapi.json"
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", url]
    options = [
        *("--checks", "all", "--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES_EACH),
        *("--seed", "1", "--no-color", "--suppress-health-check", "all", "--request-timeout", "30"),
    ]
    run = subprocess.run([*command, *options], capture_output=True, text=True, timeout=600, cwd=tmp_path, check=False)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    counted = re.search(r"([\d,]+) generated", run.stdout)
    assert counted is not None, run.stdout[-2000:]
    assert int(counted[1].replace(",", "")) >= FEWEST_EXAMPLES
    assert described.client.get("/health/ready").status_code == 200

"""Peers from an environment of their own (`make bench-peers`): child processes that are handed jobs one by one.

A job is a line of JSON on the peer's standard input, its answer a line of JSON on its standard output; the other side
is `peer_side.py`.
"""

import json
import os
import select
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from benchmarks.contest import Absent, Contestant, ContestantFailed, Run
from benchmarks.places import BENCHMARKS, PEERS_PYTHON
from benchmarks.reporting import THREADS

_LONGEST_JOB_S = 600.0
_LONGEST_STOP_S = 10.0
_ENVIRONMENT = {
    "OMP_NUM_THREADS": str(THREADS),
    "MKL_NUM_THREADS": str(THREADS),
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "CUDA_VISIBLE_DEVICES": "",
}


class PeerProcess:
    """A peer that keeps its model between jobs, from entering the `with` block to leaving it.

    Attributes:
        about: what the peer says of itself: versions, parameters, number format.
    """

    def __init__(self, script: str, job: Mapping[str, Any]) -> None:
        self.about: dict[str, Any] = {}
        self._script = BENCHMARKS / script
        self._job = job

    def __enter__(self) -> "PeerProcess":
        if not PEERS_PYTHON.is_file():
            raise ContestantFailed("the environment of the peers is missing; `make bench-peers` makes it")
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [str(PEERS_PYTHON), str(self._script)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **_ENVIRONMENT},
        )
        try:
            self.about = self._ask(self._job)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_LONGEST_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def _ask(self, job: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
        except BrokenPipeError:
            raise ContestantFailed(self._last_words()) from None
        if not select.select([self._process.stdout], [], [], _LONGEST_JOB_S)[0]:
            self._process.kill()
            raise ContestantFailed(f"no answer within {_LONGEST_JOB_S:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise ContestantFailed(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ContestantFailed(answer["error"])
        return answer

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it ended without a word")

    def run(self, batch_size: int) -> Run:
        """The whole work once, timed by the peer itself.

        Raises:
            ContestantFailed: it failed, ended or took too long.
        """
        return Run(**self._ask({"batch_size": batch_size}))


def peer(stack: ExitStack, name: str, script: str, job: Mapping[str, Any]) -> Contestant | Absent:
    """Start a peer that lives until `stack` is left; Absent if it can't be started."""
    try:
        process = stack.enter_context(PeerProcess(script, job))
    except ContestantFailed as error:
        return Absent(name, str(error))
    return Contestant(name, process.about, process.run)

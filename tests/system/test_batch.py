"""`rondo batch` as a process that is killed, with all that belongs to it, and run again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest

RONDO = [sys.executable, "-m", "rondo_services.cli"]
SENTENCES = Path(__file__).parents[1] / "data" / "sentences.tsv"
OPTIONS = ("--from", "de", "--to", "en", "--set", "beam_size=1", "--chunk", "8")
"""A worker has 48 chunks in hand, which are all done at about the same time; so they have to be few of all lines."""
NUM_LINES = 3000
TIMEOUT_S = 120.0


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of German sentences, a few of them in records that can't be read."""
    rows = [line.split("\t") for line in SENTENCES.read_text(encoding="utf-8").splitlines()]
    german = [text for language, text in rows if language == "de"]
    pairs = [f"{one} {other}" for one, other in product(german, german)][:NUM_LINES]
    lines = [json.dumps({"text": pair, "id": number}, ensure_ascii=False) for number, pair in enumerate(pairs)]
    lines[1000] = "{broken"
    lines[1200] = '{"id": 5}'
    path: Path = tmp_path_factory.mktemp("batch") / "pairs.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@contextmanager
def _started(source: Path, output: Path, *more: str) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RONDO_", "PYTHON"))}
    command = [*RONDO, "batch", "translation", str(source), "--output", str(output), "--id", "id", *OPTIONS, *more]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, start_new_session=True)
    try:
        with process:
            yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _ended(source: Path, output: Path, *more: str) -> str:
    """What it tells, once it has ended well."""
    with _started(source, output, *more) as process:
        _, told = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, told.decode()
    assert b"Traceback" not in told
    return told.decode()


@pytest.fixture(scope="module")
def undisturbed(source: Path) -> Path:
    """The output of a run that nobody disturbed."""
    output = source.with_name("undisturbed.jsonl")
    assert f"{NUM_LINES - 2} records answered" in _ended(source, output)
    return output


def _children(pid: int, name: str) -> list[int]:
    """Of a process, by what they call themselves."""
    try:
        pids = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [child for child in pids if Path(f"/proc/{child}/comm").read_text().strip() == name]
    except OSError:
        return []


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _wait_for_answers(process: "subprocess.Popen[bytes]", output: Path) -> None:
    """Until a further chunk is answered, or all of them are."""
    folder = output.with_name(f".{output.name}.job")
    deadline = time.monotonic() + TIMEOUT_S

    def answered() -> set[Path]:
        return set(folder.glob("files/jobs/*/chunks/out/*.zst"))

    before = answered()
    while not answered() - before and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _same(source: Path, output: Path, undisturbed: Path) -> None:
    """Both files are, and nothing else is there."""
    assert output.read_bytes() == undisturbed.read_bytes()
    errors = [path.with_name(f"{path.name}.errors").read_text(encoding="utf-8") for path in (output, undisturbed)]
    assert errors[0] == errors[1]
    assert [json.loads(line)["line"] for line in errors[0].splitlines()] == [1001, 1201]
    assert sorted(path.name for path in output.parent.iterdir()) == [output.name, f"{output.name}.errors"]


def test_the_output_is_in_order_and_whole(source: Path, undisturbed: Path) -> None:
    lines = [json.loads(line) for line in undisturbed.read_text(encoding="utf-8").splitlines()]
    assert [line["line"] for line in lines] == [n for n in range(1, NUM_LINES + 1) if n not in (1001, 1201)]
    assert all(line["id"] == line["line"] - 1 for line in lines)
    assert all(line["translation"] for line in lines)


def test_killed_at_any_moment_and_run_again_it_writes_the_same(source: Path, undisturbed: Path, tmp_path: Path) -> None:
    """The worker, its engine, or the command with all of its group, none of which can say anything any more."""
    draw, output = random.Random(0), tmp_path / "output.jsonl"
    for victim in ("worker", "engine", "group"):
        with _started(source, output) as process:
            _wait_for_answers(process, output)
            time.sleep(draw.random() / 2)
            workers = _children(process.pid, "rondo-worker")
            if victim == "worker":
                _kill(workers)
            elif victim == "engine":
                _kill([engine for worker in workers for engine in _children(worker, "rondo-engine")])
            if victim != "group":
                _wait_for_answers(process, output)
                time.sleep(draw.random() / 2)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=TIMEOUT_S)
    if not output.exists():
        _ended(source, output)
    _same(source, output, undisturbed)


def test_signals_end_it_with_its_workers_and_it_goes_on_with_the_output_of_several(
    source: Path, undisturbed: Path, tmp_path: Path
) -> None:
    output = tmp_path / "output.jsonl"
    for sent, status in ((signal.SIGINT, 128 + signal.SIGINT), (signal.SIGTERM, -signal.SIGTERM)):
        with _started(source, output) as process:
            _wait_for_answers(process, output)
            workers = _children(process.pid, "rondo-worker")
            process.send_signal(sent)
            _, told = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == status
        assert (b"stopped; the same command goes on" in told) == (sent == signal.SIGINT)
        deadline = time.monotonic() + TIMEOUT_S
        while any(Path(f"/proc/{pid}").exists() for pid in workers):
            assert time.monotonic() < deadline, "the worker stayed"
            time.sleep(0.05)
        assert not output.exists()
    _ended(source, output, "--workers", "2")
    _same(source, output, undisturbed)


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_on_ray_it_writes_the_same(source: Path, undisturbed: Path, tmp_path: Path) -> None:
    output = tmp_path / "output.jsonl"
    told = _ended(source, output, "--engine", "ray", "--ray-address", "local", "--workers", "2")
    assert f"{NUM_LINES - 2} records answered" in told
    _same(source, output, undisturbed)

"""A run of `rondo batch` as real processes: when what happened, what each process used. Knows no bound."""

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.reporting import THREADS
from rondo_services.jobs.settings import JobPlace
from rondo_services.jobs.store import JobStore
from rondo_services.jobs.types import Job

PARENT, WORKER, ENGINE = "parent", "worker", "engine"
_COMMANDS = {"rondo-worker": WORKER, "rondo-engine": ENGINE}
_LOOK_EVERY_S = 0.03
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process has used when so many records were done: CPU seconds, resident memory in 10⁶ bytes."""

    num_done: int
    cpu_s: float
    mb: float


@dataclass(slots=True)
class BatchRun:
    """What was seen of a run.

    Attributes:
        start_up_s: from the start to the first unit that a worker took, with its engine ready.
        working_s: from then to the last completed chunk.
        finish_s: from then to the end of all processes.
        samples: of each process since the first unit was taken, in their order.
    """

    num_records: int = 0
    start_up_s: float = 0.0
    working_s: float = 0.0
    finish_s: float = 0.0
    samples: dict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))

    @property
    def seconds(self) -> float:
        """End to end."""
        return self.start_up_s + self.working_s + self.finish_s

    def cpu_s(self, process: str) -> float:
        """CPU seconds of a process since the first unit was taken."""
        own = self.samples[process]
        return own[-1].cpu_s - own[0].cpu_s

    def growth_mb(self, process: str, after: int) -> float:
        """By how much the resident memory exceeded at most what it was once so many records were done."""
        own = [sample.mb for sample in self.samples[process] if sample.num_done >= after]
        return max(own) - own[0]


def run_batch(
    bundle: Path, service: str, source: Path, output: Path, options: Mapping[str, object], more: Sequence[str] = ()
) -> BatchRun:
    """`rondo batch` over a file.

    Args:
        options: of the service.
        more: arguments of the command.

    Raises:
        RuntimeError: it failed.
    """
    command = [str(Path(sys.executable).with_name("rondo")), "batch", service, str(source)]
    command += ["--output", str(output), "--overwrite", "--bundle", str(bundle), "--threads", str(THREADS), *more]
    for name, value in options.items():
        command += ["--set", f"{name}={value}"]
    folder = output.with_name(f".{output.name}.job")
    run = BatchRun()
    began = time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            _watch(run, process, folder, began)
        except BaseException:
            process.terminate()
            raise
        assert process.stderr is not None
        messages = process.stderr.read().decode(errors="replace")
    run.finish_s = time.perf_counter() - began - run.start_up_s - run.working_s
    if process.returncode != 0 or not run.num_records:
        raise RuntimeError(f"rondo batch failed: {messages}")
    return run


def _watch(run: BatchRun, process: "subprocess.Popen[bytes]", folder: Path, began: float) -> None:
    """Look at the job and at the processes until the command ends."""
    store: JobStore | None = None
    try:
        while process.poll() is None:
            if store is None and (folder / "job.json").exists():
                store = JobStore(JobPlace.in_folder(folder).database_url)
            found = store.jobs(None, None, limit=1) if store is not None else []
            if found and found[0].started_at is not None:
                _note(run, found[0], process.pid, time.perf_counter() - began)
            time.sleep(_LOOK_EVERY_S)
    finally:
        if store is not None:
            store.close()


def _note(run: BatchRun, job: Job, pid: int, after_s: float) -> None:
    num_done = job.num_answered + job.num_bad
    if not run.start_up_s:
        run.start_up_s = after_s
    if not run.working_s and job.all_planned and num_done == job.num_planned:
        run.working_s = after_s - run.start_up_s
        run.num_records = num_done
    for name, one in _processes(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            run.samples[name].append(Sample(num_done, cpu_s_of(one), _resident_mb(one)))


def _processes(parent: int) -> Iterator[tuple[str, int]]:
    """The command's own processes by what they are; of several workers only the first."""
    yield PARENT, parent
    last = parent
    while True:
        children = [child for child in _children(last) if _command(child) in _COMMANDS]
        if not children:
            return
        last = children[0]
        yield _COMMANDS[_command(last)], last


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text(encoding="utf-8").split())
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def cpu_s_of(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ProcessLookupError  # it has ended, and nobody has asked for its status

"""What `replica_model.py` has to know of the real thing: the engine's rounds, measured alone on one core."""

import sys
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import msgpack
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.reporting import THREADS
from benchmarks.workloads import Workload
from rondo_services.engine.asker import Asker, EngineReporter
from rondo_services.engine.core import EngineCore
from rondo_services.engine.messages import SUBMIT, TICK, work_values
from rondo_services.engine.options import WorkerOptions
from rondo_services.engine.requests import Ticket, Work
from rondo_services.engine.scheduler import Limits
from rondo_services.engine.worker import engine_core
from rondo_services.local import LocalSuite, load_suite
from rondo_services.translation.service import TranslationOptions

_NUMBERS = (1, 2, 4, 8, 16, 32, 64, 128)
_REPEATS = 12

Points = list[tuple[int, float]]


class _Wire:
    """A connection to nobody: what comes back is counted."""

    def __init__(self) -> None:
        self.num_ended = 0

    def recv(self, size: int, flags: int) -> bytes:
        raise BlockingIOError

    def sendall(self, content: bytes) -> None:
        kind, report = msgpack.unpackb(content, strict_map_key=False)
        assert kind == TICK
        self.num_ended += len(report[-2])


def works_of(suite: LocalSuite, workload: Workload) -> list[Work]:
    """What the engine is asked for each text.

    Raises:
        ValueError: the service is not modelled.
    """
    if workload.service == "sentiment" and suite.sentiment is not None:
        return [suite.sentiment.work(text) for text in workload.texts]
    if workload.service == "translation" and suite.translation is not None:
        options = TranslationOptions("de", "en", beam_size=1)
        return [suite.translation.plan(text, options).works[0] for text in workload.texts]
    raise ValueError(f"{workload.service} is not modelled; choose sentiment or translation")


class Rounds:
    """The engine's rounds for some works, message by message, as its process does them, in processor time."""

    def __init__(self, bundle: Path) -> None:
        self._reporter = EngineReporter()
        options = WorkerOptions(bundle, Limits(), None, 0.0, THREADS)
        self._core: EngineCore = engine_core(options, self._reporter)[0]
        self._wire = _Wire()
        self._asker = Asker(self._wire, self._core)

    def run(self, works: list[Work]) -> tuple[float, list[tuple[int, float]], list[int]]:
        """Seconds until all have been read, number of rows and seconds of each later round, and how long each wrote."""
        began = time.thread_time()
        message: Any = msgpack.unpackb(msgpack.packb([SUBMIT, [work_values(Ticket(work)) for work in works]]))
        self._asker.handle(message)
        ended_before, steps, lengths = self._wire.num_ended, [], []
        read_s = 0.0
        round_began = began
        while not self._core.is_idle:
            rows = self._core.runner.num_rows
            before = self._wire.num_ended
            self._core.tick()
            report = self._asker.take_report()
            self._reporter.move_to(report)
            stepped_s = report.decode_s
            self._asker.send([TICK, report.values()])
            now = time.thread_time()
            if rows:
                steps.append((rows, now - round_began))
            else:
                read_s += now - round_began - stepped_s
            lengths += [len(steps) + 1] * (self._wire.num_ended - before)
            round_began = now
        assert self._wire.num_ended - ended_before == len(works)
        return read_s, steps, lengths


def measured_rounds(bundle: Path, workload: Workload) -> tuple[Points, Points, list[int], float]:
    """Seconds to read so many texts, and of a step for so many rows; steps that texts take; their mean length."""
    suite = load_suite(bundle)
    works = works_of(suite, workload)
    suite.close()
    rounds = Rounds(bundle)
    reads: dict[int, list[float]] = defaultdict(list)
    steps: dict[int, list[float]] = defaultdict(list)
    lengths: list[int] = []
    with torch.inference_mode():
        for repeat in range(-1, _REPEATS):
            for number in _NUMBERS:
                first = repeat * number
                read_s, later, own = rounds.run([works[(first + place) % len(works)] for place in range(number)])
                if repeat >= 0:  # the first time, kernels are made ready
                    reads[number].append(read_s)
                    lengths += own
                    for rows, seconds in later:
                        steps[rows].append(seconds)
    writes = any(steps.values())
    tokens = sum(len(work.ids) for work in works) / len(works)
    return (
        [(number, median(own)) for number, own in reads.items()],
        [(rows, median(own)) for rows, own in steps.items() if len(own) >= 3] if writes else [(1, 0.0)],
        lengths if writes else [0],
        tokens,
    )

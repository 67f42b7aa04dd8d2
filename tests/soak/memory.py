"""Resident memory of processes over time, and how fast it grows."""

import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression

_FEWEST_SAMPLES = 10


@dataclass(frozen=True, slots=True)
class Sample:
    """Resident memory in 10⁶ bytes at a second of the monotonic clock."""

    at_s: float
    mb: float


@dataclass(frozen=True, slots=True)
class Growth:
    """What the samples of a process say, those of its warm-up left out.

    Attributes:
        first_mb, last_mb: 10⁶ bytes.
        minutes: between the first and the last sample.
        mb_per_minute: slope of the line with the least squares.
    """

    num_samples: int
    first_mb: float
    last_mb: float
    minutes: float
    mb_per_minute: float


def growth(samples: Sequence[Sample], warm_up_s: float) -> Growth | None:
    """How the memory of one process grew once it was `warm_up_s` old; None if there are too few samples."""
    kept = [sample for sample in samples if sample.at_s - samples[0].at_s >= warm_up_s]
    if len(kept) < _FEWEST_SAMPLES:
        return None
    minutes = [(sample.at_s - kept[0].at_s) / 60 for sample in kept]
    slope = linear_regression(minutes, [sample.mb for sample in kept]).slope
    return Growth(len(kept), kept[0].mb, kept[-1].mb, minutes[-1], slope)


class MemoryLog:
    """Samples of any number of processes.

    Attributes:
        samples: by the number of the process, the processes in the order of their first sample.
    """

    def __init__(self) -> None:
        self.samples: dict[int, list[Sample]] = defaultdict(list)

    def take(self, pid: int) -> None:
        """Add a sample of a process, unless it has ended."""
        with suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
                if line.startswith("VmRSS:"):
                    self.samples[pid].append(Sample(time.monotonic(), int(line.split()[1]) * 1024 / 1e6))

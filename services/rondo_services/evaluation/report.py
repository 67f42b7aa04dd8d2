"""What an evaluation leaves behind besides the predictions: `report.json`, and its pages for people."""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .pages.writing import write_pages

PREDICTIONS = "predictions.jsonl"
REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class Report:
    """A result with everything that is needed to get it again.

    Attributes:
        data, split: name of the data set and its part, or of the file, and "".
        num_errors: records that could not be answered.
        bundle: its name and version.
        settings: of decoding.
        data_sha256: of the records as they were read.
        seconds: in which they were being answered; None if that can't be told.
        measured: as `measure` has it: metrics, intervals, breakdowns and more.
        further: baselines, speed and attention, if they are there.
    """

    task: str
    data: str
    split: str
    num_examples: int
    num_errors: int
    bundle: str
    bundle_fingerprint: str
    settings: Mapping[str, Any]
    data_sha256: str
    seconds: float | None
    measured: Mapping[str, Any]
    further: Mapping[str, Any] = field(default_factory=dict)

    @property
    def signature(self) -> str:
        """The result's origin in one line."""
        settings = "".join(f"|{name}:{value}" for name, value in self.settings.items())
        return (
            f"bundle:{self.bundle_fingerprint[:12]}|data:{self.data}{self.split and '/'}{self.split}:"
            f"{self.data_sha256[:12]}|n:{self.num_examples}{settings}|rondo:{version('rondo-nlp')}"
        )

    def values(self) -> dict[str, Any]:
        """Plain values, as they are in the file."""
        own = {name: getattr(self, name) for name in self.__slots__ if name not in ("measured", "further")}
        return {**own, "signature": self.signature, "machine": machine(), **self.measured, **self.further}


@cache
def machine() -> dict[str, Any]:
    """Where this is."""
    return {
        "processor": _processor(),
        "logical_cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": version("torch"),
    }


def _processor() -> str:
    """The name that people know it by, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def write_report(folder: Path, values: Mapping[str, Any]) -> None:
    """Write `report.json` and the pages into a folder that is there."""
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / REPORT).write_text(f"{text}\n", encoding="utf-8")
    write_pages(folder)

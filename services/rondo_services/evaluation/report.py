"""What an evaluation leaves behind: `predictions.jsonl` and `report.json`."""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class Report:
    """A result with everything that is needed to get it again.

    Attributes:
        metrics: of the bundle.
        baselines: the same metrics of each baseline, by its name.
        settings: of decoding.
        data_sha256: of the examples as they were read.
    """

    task: str
    data: str
    split: str
    num_examples: int
    metrics: Mapping[str, Any]
    baselines: Mapping[str, Mapping[str, Any]]
    bundle: str
    bundle_fingerprint: str
    settings: Mapping[str, Any]
    data_sha256: str
    seconds: float

    @property
    def signature(self) -> str:
        """The result's origin in one line."""
        settings = "|".join(f"{name}:{value}" for name, value in self.settings.items())
        return (
            f"bundle:{self.bundle_fingerprint[:12]}|data:{self.data}/{self.split}:{self.data_sha256[:12]}"
            f"|n:{self.num_examples}|{settings}|rondo:{version('rondo-nlp')}"
        )


def data_hash(examples: Iterable[object]) -> str:
    """SHA-256 over the examples in their order."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(repr(example).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def write_report(folder: Path, report: Report, predictions: Iterable[Mapping[str, Any]]) -> None:
    """Write both files; the folder is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "predictions.jsonl").open("w", encoding="utf-8") as file:
        for prediction in predictions:
            file.write(json.dumps(prediction, ensure_ascii=False) + "\n")
    content = {
        **asdict(report),
        "signature": report.signature,
        "machine": {
            "processor": platform.machine(),
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
    }
    (folder / "report.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

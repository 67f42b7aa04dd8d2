"""What every report of this folder says of the machine and the bundle, and how its tables look."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

THREADS = 1
"""Of every model's matrix kernels."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What was measured, and the most or the least that it is to be."""

    name: str
    measured: float
    most: float | None = None
    least: float | None = None

    @property
    def kept(self) -> bool:
        """Whether it is."""
        return (self.most is None or self.measured <= self.most) and (self.least is None or self.measured >= self.least)

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        return {**values, "kept": self.kept}


def describe_machine() -> dict[str, Any]:
    """The processor, the versions and the load before the measurement."""
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "torch": version("torch"),
        "threads": THREADS,
        "nice": os.nice(0),
        "settings": {name: value for name, value in sorted(os.environ.items()) if name.startswith("RONDO_")},
        "load_average_before": os.getloadavg()[0],
    }


def describe_bundle(bundle: Path) -> dict[str, str]:
    """Name, version and fingerprint of a bundle."""
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    return {name: manifest[name] for name in ("name", "version", "fingerprint")}


def machine_line(machine: dict[str, Any]) -> str:
    """`describe_machine()` for people, once the load after the measurement is known."""
    return (
        f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, torch {machine['torch']}, "
        f"{machine['threads']} thread a model, load average {machine['load_average_before']:.1f} before and "
        f"{machine['load_average_after']:.1f} after"
    )


def bundle_line(bundle: dict[str, str]) -> str:
    """`describe_bundle()` for people."""
    return f"bundle {bundle['name']} {bundle['version']} {bundle['fingerprint'][:12]}"


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of one width each: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    lines = [titles, ["-" * width for width in widths], *rows]

    def aligned(line: Sequence[str]) -> str:
        return "  ".join(
            cell.rjust(width) if position else cell.ljust(width)
            for position, (cell, width) in enumerate(zip(line, widths, strict=True))
        )

    return "\n".join(map(aligned, lines))


def bounds_table(bounds: Sequence[Mapping[str, Any]]) -> str:
    """Bounds as plain values, for people."""
    rows = [
        [
            bound["name"],
            f"{bound['measured']:g}",
            *(f"at {side} {bound[side]:g}" for side in ("most", "least") if side in bound),
            "yes" if bound["kept"] else "no",
        ]
        for bound in bounds
    ]
    return table(["bound", "measured", "is to be", "kept"], rows)

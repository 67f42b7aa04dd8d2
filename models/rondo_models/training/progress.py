"""Shows and records a run: a live bar in a terminal, plain lines elsewhere, a JSONL log, a plot of the losses."""

import json
import os
import sys
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class RunLog:
    """`log.jsonl` of a run; its records are plain dicts with a `step`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path

    def write(self, **record: Any) -> None:
        """Append one record, on a line of its own even if the last one was broken off."""
        with self.path.open("a+b") as file:
            if file.seek(0, os.SEEK_END) and not self._ends_a_line(file):
                file.write(b"\n")
            file.write(json.dumps(record).encode() + b"\n")

    @staticmethod
    def _ends_a_line(file: BinaryIO) -> bool:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"

    def read(self) -> list[dict[str, Any]]:
        """All whole records so far; a line that a kill broke off is passed over."""
        records = []
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else ():
            with suppress(json.JSONDecodeError):
                records.append(json.loads(line))
        return records


class Display:
    """A rich progress bar in a terminal; otherwise one line each time `update` is asked for a record."""

    def __init__(self, first_step: int, num_steps: int, title: str) -> None:
        self._console = Console(stderr=True)
        self._live = self._console.is_terminal
        self._num_steps = num_steps
        self._title = title
        self._began = time.monotonic()
        self._first_step = first_step
        self._progress = Progress(
            TextColumn(title),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._live,
        )
        self._bar = self._progress.add_task(title, total=num_steps, note="")

    def __enter__(self) -> "Display":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, step: int, loss: float, tokens_per_s: float) -> None:
        """Show the state after `step` steps."""
        note = f"loss {loss:.3f}  {tokens_per_s:,.0f} tokens/s"
        if self._live:
            self._progress.update(self._bar, completed=step, note=note)
            return
        rate = (step - self._first_step) / max(1e-9, time.monotonic() - self._began)
        left = (self._num_steps - step) / rate / 60
        print(
            f"{self._title} {step}/{self._num_steps}  {note}  {left:.1f} min left",
            file=sys.stderr,
            flush=True,
        )


def plot_losses(records: list[dict[str, Any]], path: Path) -> None:
    """Draw each task's training and dev loss over the steps to a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    training: dict[str, dict[int, float]] = defaultdict(dict)
    development: dict[str, dict[int, float]] = defaultdict(dict)
    for record in records:  # of a step that was done twice, before and after a kill, the later record counts
        for name, value in record.get("losses", {}).items():
            training[f"{record['phase']}: {name}"][record["step"]] = value
        for name, value in record.get("dev", {}).items():
            development[f"{record['phase']}: {name}"][record["step"]] = value["loss"]
    names = sorted(training | development)
    figure, axes = pyplot.subplots(max(1, len(names)), 1, figsize=(8, 1.8 * max(1, len(names))), squeeze=False)
    for axis, name in zip(axes[:, 0], names, strict=False):
        for series, label in ((training[name], "train"), (development[name], "dev")):
            if series:
                axis.plot(list(series), list(series.values()), label=label, linewidth=1.2)
        axis.set_title(name, fontsize=9, loc="left")
        axis.set_ylabel("nats / target")
        axis.legend(fontsize=7)
    axes[-1, 0].set_xlabel("step")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)

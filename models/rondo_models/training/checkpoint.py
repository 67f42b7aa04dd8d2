"""A training run's state on disk, written so that a kill at any moment leaves the last whole one."""

import os
from pathlib import Path
from typing import Any

import torch


def checkpoint_path(folder: Path, phase: str) -> Path:
    """Where the checkpoint of a run's phase is."""
    return folder / f"{phase}.pt"


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write to a temporary file beside `path`, flush it to the disk, and rename it over `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """The state at `path`, or None if there is none; only tensors and plain values are read."""
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state

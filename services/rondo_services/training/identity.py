"""What the checkpoints in a run's folder are of, so that they are not taken for those of another run.

A run may be changed before a phase has ended: its rate, length and shares hold from then on. It may get further heads
and, at its end, further phases. What it began from, what its own files and labels are, and how a phase was trained that
has ended can't change any more.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rondo_models.bundle import Bundle
from rondo_models.config import ConfigError
from rondo_models.training.trainer import TrainingConfig

from ..datasets.catalog import DATA_SETS
from .prepared_file import PREPARED
from .recipe import Recipe
from .user_data import require_file

_NAME = "run.json"
_MAY_CHANGE = ("workers", "loaders", "log_every", "dev_every", "checkpoint_every")
"""Settings of a phase that no weight depends on, or not by intention."""


def is_run(folder: Path) -> bool:
    """Whether a run has been prepared or begun in a folder."""
    return (folder / PREPARED).is_file() or (folder / _NAME).is_file()


class RunIdentity:
    """The file beside the checkpoints that says what they are of.

    Args:
        phases: those of the recipe that train, by name.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        init: Bundle | None,
        teachers: Sequence[Bundle],
        phases: Mapping[str, TrainingConfig],
    ) -> None:
        self._path = folder / _NAME
        self._own: dict[str, Any] = {
            "initial bundle": "none" if init is None else init.fingerprint,
            "teachers": ", ".join(teacher.fingerprint for teacher in teachers) or "none",
            "languages": ", ".join(recipe.languages),
            "files": _hashes(recipe),
            "labels": {name: list(labels) for name, own in recipe.heads.items() if (labels := _labels(own))},
        }
        self._phases = {name: _settings(config) for name, config in phases.items()}

    def check(self, *, is_begun: bool) -> None:
        """Compare with what the folder says, if it has checkpoints.

        Raises:
            ConfigError: it is of another run; the message tells in what.
        """
        if not is_begun or not self._path.is_file():
            return
        known = json.loads(self._path.read_text(encoding="utf-8"))
        for name, own in self._own.items():
            for key, before, now in _compared(name, known.get(name, own), own):
                if before != now:
                    raise self._error(f"{key} was {_shown(before)} and is {_shown(now)}")
        for name, before in known["ended"].items():
            for key, value in self._phases.get(name, before).items():
                if before.get(key, value) != value:
                    raise self._error(f"the phase {name} has ended with {key} = {before[key]}, not {value}")

    def begin(self, *, is_begun: bool) -> None:
        """Let the folder say what its checkpoints are of, or will be."""
        has_ended = is_begun and self._path.is_file()
        known = json.loads(self._path.read_text(encoding="utf-8")) if has_ended else {}
        self._write({**self._own, "ended": known.get("ended", {})})

    def end(self, phase: str) -> None:
        """Note that a phase has ended, and how it was trained."""
        known = json.loads(self._path.read_text(encoding="utf-8"))
        known["ended"].setdefault(phase, self._phases[phase])
        self._write(known)

    def _error(self, difference: str) -> ConfigError:
        return ConfigError(
            f"{self._path.parent} has checkpoints of another run: {difference}. "
            "Take another --run, or delete that folder to train anew"
        )

    def _write(self, content: Mapping[str, Any]) -> None:
        partial = self._path.with_suffix(".partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
        partial.replace(self._path)


def _hashes(recipe: Recipe) -> dict[str, str]:
    """By what each own file trains, wherever it is."""
    hashes = {}
    for entry in recipe.data:
        if entry.set not in DATA_SETS:
            require_file(Path(entry.set))
            with Path(entry.set).open("rb") as file:
                hashes[entry.task] = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    return hashes


def _labels(config: object) -> Sequence[str]:
    labels: Sequence[str] = getattr(config, "labels", ())
    return labels


def _settings(config: TrainingConfig) -> dict[str, Any]:
    return {name: value for name, value in asdict(config).items() if name not in _MAY_CHANGE}


def _compared(name: str, before: Any, now: Any) -> list[tuple[str, Any, Any]]:
    """Values to compare, by what they are of; files and heads that came since are not compared."""
    if not isinstance(now, Mapping):
        return [(f"its {name}", before, now)]
    return [(f"{name} of {key}", value, now.get(key, "none")) for key, value in before.items()]


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)[:60]

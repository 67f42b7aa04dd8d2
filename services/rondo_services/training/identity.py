"""What the checkpoints in a run's folder are of, so that they are not taken for those of another run.

A run may be changed before a phase has ended: its rate, length, sets and shares hold from then on. It may get further
heads and, at its end, further phases. What it began from, what its own files and labels are, which rows are kept out of
training, and how and on what a phase was trained that has ended can't change any more. What was ever trained on is
noted, so that the bundle can tell.
"""

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rondo_models.bundle import Bundle
from rondo_models.config import ConfigError
from rondo_models.training.trainer import TrainingConfig

from .entry_records import as_read, file_hashes
from .one_process import LOCK
from .origins import Origin, origin_of
from .prepared_file import PREPARED
from .recipe import DataEntry, Recipe

_NAME = "run.json"
_MAY_CHANGE = ("workers", "loaders", "log_every", "dev_every", "checkpoint_every")
"""Settings of a phase that no weight depends on, or not by intention."""
_DIVIDING = ("fold", "train_only")
"""What decides on which rows are kept out of training; these would else be trained on first and measured on later."""


def is_run(folder: Path) -> bool:
    """Whether a run has been prepared or begun in a folder."""
    return any((folder / name).is_file() for name in (PREPARED, _NAME, LOCK))


class RunIdentity:
    """The file beside the checkpoints that says what they are of.

    Args:
        phases: those of the recipe that train, by name.
        trained_on: the data entries of each of them.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        init: Bundle | None,
        teachers: Sequence[Bundle],
        phases: Mapping[str, TrainingConfig],
        trained_on: Mapping[str, Sequence[DataEntry]],
    ) -> None:
        self._path = folder / _NAME
        self._own: dict[str, Any] = {
            "initial bundle": "none" if init is None else init.fingerprint,
            "teachers": ", ".join(teacher.fingerprint for teacher in teachers) or "none",
            "languages": ", ".join(recipe.languages),
            "files": file_hashes(recipe),
            "labels": {name: list(labels) for name, own in recipe.heads.items() if (labels := _labels(own))},
        }
        self._phases = {name: _settings(config) for name, config in phases.items()}
        self._entries = {entry.task: entry for entry in recipe.data}
        self._read = {name: {own.task: as_read(own) for own in entries} for name, entries in trained_on.items()}
        self._ends_with = {entry.task for entry in recipe.data if entry.head in recipe.ngram_regression}

    def check(self, *, is_begun: bool) -> None:
        """Compare with what the folder says, if it has checkpoints.

        Raises:
            ConfigError: it is of another run; the message tells in what.
        """
        if not is_begun or not self._path.is_file():
            return
        known = self._known()
        for name, own in self._own.items():
            for key, before, now in _compared(name, known.get(name, own), own):
                if before != now:
                    raise self._error(f"{key} was {_shown(before)} and is {_shown(now)}")
        for name, before in known["ended"].items():
            for key, value in self._phases.get(name, before).items():
                if before.get(key, value) != value:
                    raise self._error(f"the phase {name} has ended with {key} = {before[key]}, not {value}")
        self._check_seen(known.get("seen", {}))
        self._check_read(known.get("read", {}), known["ended"].keys())

    def _check_seen(self, seen: Mapping[str, Any]) -> None:
        for task, before in seen.items():
            for key in _DIVIDING if task in self._entries else ():
                if (now := getattr(self._entries[task], key)) != before[key]:
                    raise self._error(f"{key} of {task} was {before[key]} and is {now}, but some rows were trained on")

    def _check_read(self, read: Mapping[str, Any], ended: Set[str]) -> None:
        """Compare what phases that have ended were trained on; data that came since must be of a later one."""
        known = {task for own in read.values() for task in own} | self._ends_with
        known |= {task for phase in self._read.keys() - ended for task in self._read[phase]}
        for phase in [name for name in self._read if name in read]:
            for task, before in read[phase].items():
                if task not in self._read[phase]:
                    raise self._error(f"the phase {phase} has ended with the data {task}, which the recipe lacks")
                for key, value in before.items():
                    if (now := self._read[phase][task][key]) != value:
                        raise self._error(f"the phase {phase} has ended with {key} of {task} = {value}, not {now}")
            if late := sorted(self._read[phase].keys() - known):
                raise self._error(f"the phase {phase} has ended without the data {late[0]}, and none follows for them")

    def begin(self, *, is_begun: bool) -> None:
        """Let the folder say what its checkpoints are of, or will be."""
        known = self._known() if is_begun else {}
        self._write({**self._own, **{name: known.get(name, {}) for name in ("ended", "read", "seen")}})

    def begin_phase(self, phase: str) -> None:
        """Note what a phase is trained on from now on, unless it has ended."""
        known = self._known()
        if phase not in known["read"]:
            known["seen"] |= {task: _seen(self._entries[task]) for task in self._read[phase]}
            self._write(known)

    def end(self, phase: str) -> None:
        """Note that a phase has ended, and how and on what it was trained."""
        known = self._known()
        known["ended"].setdefault(phase, self._phases[phase])
        known["read"].setdefault(phase, self._read[phase])
        self._write(known)

    def earlier_origins(self) -> list[Origin]:
        """Of data that the run was trained on and that the recipe has no longer."""
        seen = self._known().get("seen", {})
        return [Origin(own["origin"], own["head"]) for task, own in seen.items() if task not in self._entries]

    def _known(self) -> dict[str, Any]:
        known: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8")) if self._path.is_file() else {}
        return known

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


def _seen(entry: DataEntry) -> dict[str, Any]:
    origin = origin_of(entry)
    return {"head": origin.head, "origin": dict(origin.told), **{name: getattr(entry, name) for name in _DIVIDING}}


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

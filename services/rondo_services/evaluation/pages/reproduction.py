"""The command that would measure the same again."""

import json
import shlex
from collections.abc import Iterable

from rondo_models.manifest import MANIFEST

from ...datasets.catalog import DATA_SETS
from ...server.settings import default_bundle
from .reading import ReportFile

_OPTIONS = {
    "precision": "--precision",
    "beam_size": "--beam-size",
    "length_penalty": "--length-penalty",
    "rerank": "--rerank",
    "limit": "--limit",
}
_WIDTH = 84
_OF_THE_DATA = ("source", "target", "format")
_OF_RUNNING_TEXT = ("state", "precision")
"""It is only read, in one way."""


def command_of(report: ReportFile) -> str | None:
    """A line of `rondo evaluate`; None if the data has no name, as then only its owner knows how to read it."""
    if report.task == "bias":
        return _probe_command(report)
    if report.data not in DATA_SETS or not report.split:
        return None
    options: list[tuple[str, str]] = [("--task", report.task), ("--data", report.data), ("--split", report.split)]
    settings = report.settings
    if report.task == "translation" and settings.get("source") != DATA_SETS[report.data].languages[0]:
        options.append(("--direction", "backward"))
    if report.bundle_fingerprint and report.bundle_fingerprint != _default_fingerprint():
        options.append(("--bundle", "FOLDER"))
    known = _OF_RUNNING_TEXT if report.task == "perplexity" else _OF_THE_DATA
    for name, value in settings.items():
        if name in known:
            continue
        if name in _OPTIONS:
            options.append((_OPTIONS[name], str(value)))
        else:
            options.append(("--set", f"{name}={json.dumps(value, ensure_ascii=False)}"))
    return _lines([*options, ("--output", f"results/{report.data}")])


def _probe_command(report: ReportFile) -> str:
    """A line of `rondo probe`: its own sentences, and the named sets that were rewritten."""
    options = [("--data", name) for name in report.data.split("+") if name in DATA_SETS]
    named = {"label": "--label", "precision": "--precision", "limit": "--limit"}
    options += [(option, str(report.settings[name])) for name, option in named.items() if name in report.settings]
    if report.bundle_fingerprint and report.bundle_fingerprint != _default_fingerprint():
        options.append(("--bundle", "FOLDER"))
    return _lines([*options, ("--output", "results/bias")], "rondo probe")


def _default_fingerprint() -> str:
    """Of the bundle that the command takes if it is told none; empty if there is none here."""
    path = default_bundle() / MANIFEST
    return str(json.loads(path.read_bytes())["fingerprint"]) if path.is_file() else ""


def _lines(options: Iterable[tuple[str, str]], command: str = "rondo evaluate") -> str:
    """The command on as many lines as make it legible."""
    lines = [command]
    for option in map(shlex.join, options):
        if len(lines[-1]) + len(option) < _WIDTH:
            lines[-1] += f" {option}"
        else:
            lines.append(f"  {option}")
    return " \\\n".join(lines)

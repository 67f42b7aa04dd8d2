"""Puts reports of evaluations and probes into a bundle's manifest and card."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rondo_models.manifest import read_contents, rewrite_manifest

from ..errors import InvalidInput
from .card import model_card
from .findings import failures_of, is_probe, probe_of, score_of


def add_scores(folder: Path, reports: Sequence[Path]) -> None:
    """Replace all that was measured of the bundle, scores, failures and probes, by what `reports` say.

    Raises:
        InvalidInput: a file is no report, or that of another bundle.
        BundleError: the bundle can't be used.
    """
    contents = read_contents(folder)
    read = [_report(path, contents.fingerprint) for path in reports]
    measured = [report for report in read if not is_probe(report)]
    manifest = replace(
        contents.manifest,
        scores=tuple(score_of(report) for report in measured),
        failures=tuple(failure for report in _plainest_of_each(measured) for failure in failures_of(report)),
        probes=tuple(probe_of(report) for report in read if is_probe(report)),
    )
    rewrite_manifest(folder, manifest, model_card(manifest, contents.configs))


def _report(path: Path, fingerprint: str) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(f"{path} is not JSON: {error}") from error
    if not isinstance(report, dict) or "task" not in report or "bundle_fingerprint" not in report:
        raise InvalidInput(f"{path} is no report of rondo evaluate or rondo probe")
    if report["bundle_fingerprint"] != fingerprint:
        raise InvalidInput(f"{path} is the report of another bundle")
    return report


def _plainest_of_each(reports: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those that asked the same with more settings, whose failures are much the same."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for report in reports:
        settings = report.get("settings", {})
        same = (report["task"], report["data"], report["split"], settings.get("source"), settings.get("target"))
        if same not in found or len(settings) < len(found[same].get("settings", {})):
            found[same] = report
    return list(found.values())

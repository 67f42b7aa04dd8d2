"""Puts reports of evaluations and probes into a bundle's manifest and card."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rondo_models.backbone import BackboneConfig
from rondo_models.config import config_from
from rondo_models.manifest import BACKBONE, TOKENIZER, Contents, head_file, read_contents, rewrite_manifest
from rondo_models.model import head_config

from ..errors import InvalidInput
from ..evaluation.bias.probe import TASK as BIAS
from .card import model_card
from .findings import Record, failures_of, is_probe, probe_of, score_of

_HEADS = {
    "sentiment": ("sentiment",),
    "translation": ("translation",),
    "summarization": ("summarization",),
    "compression": ("compression",),
    "generation": ("generation",),
    "perplexity": ("generation",),
    BIAS: ("sentiment", "translation"),
}
"""That answer a task."""


def add_scores(
    folder: Path, reports: Sequence[Path], measured_with: Sequence[Path] = (), kept_from: Path | None = None
) -> None:
    """Replace all that was measured of the bundle, scores, failures and probes, by what `reports` say.

    Args:
        measured_with: earlier bundles; their reports count too if what answers the task has not changed since then.
        kept_from: an earlier bundle; what its manifest says of other data, or of other settings, is taken over if what
            answers the task has not changed since then.

    Raises:
        InvalidInput: a file is no report, that of another bundle, or of one in which other weights answer.
        BundleError: a bundle can't be used.
    """
    contents = read_contents(folder)
    known = {own.fingerprint: own for own in (*map(read_contents, measured_with), contents)}
    read = [_report(path, contents, known) for path in reports]
    measured = [report for report in read if not is_probe(report)]
    scores = [score_of(report) for report in measured]
    failures = [failure for report in _plainest_of_each(measured) for failure in failures_of(report)]
    probes = [probe_of(report) for report in read if is_probe(report)]
    if kept_from is not None:
        earlier = read_contents(kept_from)
        told = earlier.manifest
        scores = [*_kept(told.scores, scores, ("settings",), earlier, contents), *scores]
        failures = [*_kept(told.failures, failures, (), earlier, contents), *failures]
        probes = [*_kept(told.probes, probes, ("label",), earlier, contents), *probes]
    manifest = replace(contents.manifest, scores=tuple(scores), failures=tuple(failures), probes=tuple(probes))
    rewrite_manifest(folder, manifest, model_card(manifest, contents.configs))


def _kept(
    told: Sequence[Mapping[str, Any]],
    new: Sequence[Mapping[str, Any]],
    also_of: Sequence[str],
    earlier: Contents,
    contents: Contents,
) -> list[Record]:
    """Of what an earlier manifest says, in its order, what is still true and is not told anew.

    Args:
        also_of: names of what makes two records of the same data two different ones.
    """

    def subject(record: Mapping[str, Any]) -> list[Any]:
        return [record.get(name) for name in ("task", "data", "split", "language", *also_of)]

    def is_true(record: Mapping[str, Any]) -> bool:
        heads = _HEADS[record.get("task", BIAS)]
        return _answering(earlier, heads) == _answering(contents, heads)

    anew = [subject(record) for record in new]
    return [dict(record) for record in told if is_true(record) and subject(record) not in anew]


def _report(path: Path, contents: Contents, known: Mapping[str, Contents]) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(f"{path} is not JSON: {error}") from error
    if not isinstance(report, dict) or report.get("task") not in _HEADS or "bundle_fingerprint" not in report:
        raise InvalidInput(f"{path} is no report of rondo evaluate or rondo probe")
    fingerprint = report["bundle_fingerprint"]
    if fingerprint not in known:
        raise InvalidInput(
            f"{path} is the report of another bundle, {fingerprint[:12]}; if the weights that answer are the same in "
            "it, name its folder with --measured-with"
        )
    heads = _HEADS[report["task"]]
    if _answering(known[fingerprint], heads) != _answering(contents, heads):
        raise InvalidInput(f"{path} is of bundle {fingerprint[:12]}, in which other weights answer: measure it again")
    return report


def _answering(contents: Contents, heads: Sequence[str]) -> tuple[Any, ...]:
    """Hashes and configs of all that takes part in what these heads answer."""
    hashes = [contents.files.get(name) for name in (TOKENIZER, BACKBONE, *map(head_file, heads))]
    # Built, as older bundles do not name what there was no choice of.
    backbone = config_from(BackboneConfig, contents.configs["backbone"], "backbone")
    own = contents.configs["heads"]
    return (*hashes, backbone, *(head_config(own[name], f"heads.{name}") for name in heads if name in own))


def _plainest_of_each(reports: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those that asked the same with more settings, whose failures are much the same."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for report in reports:
        settings = report.get("settings", {})
        same = (report["task"], report["data"], report["split"], settings.get("source"), settings.get("target"))
        if same not in found or len(settings) < len(found[same].get("settings", {})):
            found[same] = report
    return list(found.values())

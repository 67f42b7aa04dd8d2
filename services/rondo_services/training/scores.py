"""Puts reports of evaluations and probes into a bundle's manifest and card."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

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
        InvalidInput: a file is no whole report, that of another bundle, or of one in which other weights answer.
        BundleError: a bundle can't be used.
    """
    contents = read_contents(folder)
    known = {own.fingerprint: own for own in (*map(read_contents, measured_with), contents)}
    findings = [_Findings.of(path, _report(path, contents, known)) for path in reports]
    scores = [own.score for own in findings if own.score is not None]
    failures = [failure for own in _plainest_of_each(findings) for failure in own.failures]
    probes = [own.probe for own in findings if own.probe is not None]
    if kept_from is not None:
        earlier = read_contents(kept_from)
        told = earlier.manifest
        scores = [*_kept(told.scores, scores, ("settings",), earlier, contents), *scores]
        failures = [*_kept(told.failures, failures, (), earlier, contents), *failures]
        probes = [*_kept(told.probes, probes, ("label",), earlier, contents), *probes]
    manifest = replace(contents.manifest, scores=tuple(scores), failures=tuple(failures), probes=tuple(probes))
    rewrite_manifest(folder, manifest, model_card(manifest, contents.configs))


@dataclass(frozen=True, slots=True)
class _Findings:
    """What the manifest keeps of a report: a score and failures, or a probe.

    Attributes:
        settings: that were asked for.
    """

    settings: Mapping[str, Any]
    score: Record | None = None
    failures: Sequence[Record] = ()
    probe: Record | None = None

    @classmethod
    def of(cls, path: Path, report: Mapping[str, Any]) -> Self:
        """Raises InvalidInput: something is missing in the report, or of another type than it is in one."""
        try:
            settings = dict(report.get("settings", {}))
            if is_probe(report):
                return cls(settings, probe=probe_of(report))
            return cls(settings, score_of(report), failures_of(report))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"{path} is no whole report of rondo evaluate or rondo probe: {error!r}") from error


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
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not JSON: {error}") from error
    task, fingerprint = (report.get("task"), report.get("bundle_fingerprint")) if isinstance(report, dict) else ("", "")
    if not isinstance(task, str) or task not in _HEADS or not isinstance(fingerprint, str):
        raise InvalidInput(f"{path} is no report of rondo evaluate or rondo probe")
    if fingerprint not in known:
        raise InvalidInput(
            f"{path} is the report of another bundle, {fingerprint[:12]}; if the weights that answer are the same in "
            "it, name its folder with --measured-with"
        )
    heads = _HEADS[task]
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


def _plainest_of_each(findings: Sequence[_Findings]) -> list[_Findings]:
    """Of reports with scores, without those that asked the same with more settings, whose failures are much the
    same."""
    found: dict[tuple[Any, ...], _Findings] = {}
    for own in findings:
        if own.score is None:
            continue
        told = [own.score[name] for name in ("task", "data", "split")]
        same = (*told, own.settings.get("source"), own.settings.get("target"))
        if same not in found or len(own.settings) < len(found[same].settings):
            found[same] = own
    return list(found.values())

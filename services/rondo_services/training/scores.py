"""Puts evaluation reports into a bundle's manifest and card."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rondo_models.bundle import load_bundle
from rondo_models.manifest import rewrite_manifest

from .card import model_card

_HEADLINES = ("accuracy", "macro_f1", "bleu", "bleu_tokenized", "chrf", "rouge1", "rouge2", "rougeL", "word_perplexity")


def _score(report: dict[str, Any]) -> dict[str, Any]:
    measured = {name: round(report["metrics"][name], 3) for name in _HEADLINES if name in report["metrics"]}
    return {
        "task": report["task"],
        "data": report["data"],
        "split": report["split"],
        "metrics": measured,
        "signature": report["signature"],
    }


def add_scores(folder: Path, reports: Sequence[Path]) -> None:
    """Replace the bundle's scores by those of `reports`.

    Raises:
        ValueError: a report is of another bundle.
    """
    bundle = load_bundle(folder)
    scores = []
    for path in reports:
        report = json.loads(path.read_text(encoding="utf-8"))
        if report["bundle_fingerprint"] != bundle.fingerprint:
            raise ValueError(f"{path} is the report of another bundle")
        scores.append(_score(report))
    manifest = replace(bundle.manifest, scores=tuple(scores))
    rewrite_manifest(folder, manifest, model_card(manifest, bundle.model.configs()))

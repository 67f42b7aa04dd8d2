"""Writes a bundle's model card from what the manifest says."""

from collections.abc import Mapping
from typing import Any

from rondo_models.manifest import Manifest


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _scores(manifest: Manifest) -> list[str]:
    if not manifest.scores:
        return ["Not measured yet: `rondo evaluate` writes a report, `rondo bundle add-scores` puts it here."]
    lines = ["| task | data | split | result | signature |", "|---|---|---|---|---|"]
    for score in manifest.scores:
        results = ", ".join(f"{name} {_value(value)}" for name, value in score["metrics"].items())
        lines.append(f"| {score['task']} | {score['data']} | {score['split']} | {results} | `{score['signature']}` |")
    return lines


def _restriction(manifest: Manifest) -> list[str]:
    """What the terms of the data forbid, if they do."""
    sets = [entry["set"] for entry in manifest.data if entry.get("ships") == "no"]
    return [f"**Not to be published**: trained on {', '.join(sets)}, for research only.", ""] if sets else []


def model_card(manifest: Manifest, configs: Mapping[str, Any]) -> str:
    """Markdown with languages, services, data with licences, scores with signatures, and limits."""
    backbone = configs["backbone"]
    services = [
        f"- **{name}**: " + ", ".join("→".join(pair) for pair in service["pairs"])
        if "pairs" in service
        else f"- **{name}**: {', '.join(service['languages'])}"
        for name, service in manifest.services.items()
    ]
    data = [f"| {entry['set']} | {entry['licence']} | {', '.join(entry['heads'])} |" for entry in manifest.data]
    training = [f"- {name}: {_value(value)}" for name, value in manifest.training.items()]
    return "\n".join(
        [
            f"# {manifest.name} {manifest.version}",
            "",
            f"One recurrent backbone ({backbone['cell'].upper()}, {backbone['num_layers']} layer(s) of "
            f"{backbone['hidden_size']} in each direction, embedding {backbone['embedding_size']}, vocabulary "
            f"{backbone['vocabulary_size']}) with a head for each service. Made with Rondo.",
            "",
            *_restriction(manifest),
            "## Services and languages",
            *services,
            "",
            "## Intended use and limits",
            "Short everyday texts on a CPU, offline. The model is small: it makes mistakes that fluent text can hide, "
            "reflects what its data says of people, and must not decide anything about a person. Generated text is "
            "not knowledge.",
            "",
            "## Scores",
            *_scores(manifest),
            "",
            "## Training data",
            "| set | licence | trains |",
            "|---|---|---|",
            *data,
            "",
            "Dev and test texts of every set are kept out of training by a fingerprint that ignores letter case, "
            "punctuation and white space.",
            "",
            "## Training",
            *training,
            "",
        ]
    )

"""Writes a bundle's model card from what the manifest says."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rondo_models.backbone import BackboneConfig
from rondo_models.config import config_from
from rondo_models.manifest import Manifest

from ..evaluation.pages.markdown import escaped, table
from .card_findings import bias, failures, scores
from .costs import MEASURED


def model_card(manifest: Manifest, configs: Mapping[str, Any]) -> str:
    """Markdown: what the bundle is and is for, how good it is, where it fails, and what it was made of."""
    parts = [
        f"# {manifest.name} {manifest.version}",
        _about(config_from(BackboneConfig, configs["backbone"], "backbone")),
        *_restriction(manifest),
        *_section("Licence", _licence(manifest)),
        *_section("Services and languages", ["\n".join(_services(manifest))]),
        *_section("Intended use", _use(manifest)),
        *_section("Scores", scores(manifest.scores)),
        *_section("Where it fails", failures(manifest.failures, is_measured=bool(manifest.scores))),
        *_section("Bias", bias(manifest.probes)),
        *_section("Training data", _data(manifest)),
        *_section("Training", _training(manifest)),
        *_section("Time and energy of training", _costs(manifest.training)),
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, paragraphs: Sequence[str] | Iterator[str]) -> Iterator[str]:
    yield f"## {title}"
    yield from paragraphs


def _about(backbone: BackboneConfig) -> str:
    normalized = "layer-normalised " if backbone.layer_norm else ""
    layers = f"{normalized}{backbone.cell.upper()}, {backbone.num_layers} layer(s) of {backbone.hidden_size}"
    if backbone.encoder == "transformer":
        encoder = f"{backbone.encoder_layers} layer(s) of {backbone.encoder_heads} heads"
        kind = f"backbone (Transformer encoder, {encoder}; recurrent decoder, {layers}"
    else:
        kind = f"recurrent backbone ({layers} in each direction"
    return (
        f"One {kind}, embedding {backbone.embedding_size}, vocabulary {backbone.vocabulary_size}) with a head for each "
        "service. Made with Rondo."
    )


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _licence(manifest: Manifest) -> Iterator[str]:
    yield escaped(str(manifest.description.get("licence", "Not stated: `rondo bundle describe` puts it here.")))
    yield "The data's licences are below."


def _restriction(manifest: Manifest) -> Iterator[str]:
    """What the terms of the data forbid, if they do."""
    sets = [entry["set"] for entry in manifest.data if entry.get("ships") == "no"]
    if sets:
        yield f"**Not to be published**: trained on {', '.join(sets)}, for research only."


def _services(manifest: Manifest) -> Iterator[str]:
    for name, service in manifest.services.items():
        languages = ["→".join(pair) for pair in service["pairs"]] if "pairs" in service else service["languages"]
        yield f"- **{name}**: {', '.join(languages)}"


def _use(manifest: Manifest) -> Iterator[str]:
    said = manifest.description
    if not said:
        yield "Not stated: `rondo bundle describe` puts it here."
    if said.get("intended_use"):
        yield _listed("It is for:", said["intended_use"])
    if said.get("not_for"):
        yield _listed("It must not be used for:", said["not_for"])
    yield _listed(
        "Limits:",
        [
            *said.get("limits", ()),
            "The model is small: it makes mistakes that fluent text can hide, and reflects what its data says of "
            "people. Generated text is not knowledge.",
        ],
    )


def _listed(title: str, items: Sequence[str]) -> str:
    return "\n".join([title, *(f"- {escaped(item)}" for item in items)])


def _data(manifest: Manifest) -> Iterator[str]:
    rows = [(entry["set"], entry["licence"], ", ".join(entry["heads"])) for entry in manifest.data]
    yield table(("set", "licence", "trains"), rows)
    yield (
        "Dev and test texts of every set are kept out of training by a fingerprint that ignores letter case, "
        "punctuation and white space."
    )


def _training(manifest: Manifest) -> Iterator[str]:
    told = {name: value for name, value in manifest.training.items() if name != "costs"}
    yield "\n".join(f"- {name}: {_value(value)}" for name, value in told.items())


def _costs(training: Mapping[str, Any]) -> Iterator[str]:
    """Every stretch that is known of, and their sum."""
    costs = training.get("costs", ())
    if not costs:
        yield "Not recorded: the bundle is older than the record that `rondo train` keeps, or than its first entry."
        return
    yield table(
        ("stretch", "device", "wall time", "processor time", "energy", "energy from", "source"),
        [*map(_cost_row, costs), _sum_row(costs)],
    )
    num_known, num_all = sum(cost["stretches"] for cost in costs), training.get("stretches", 0)
    if num_known < num_all:
        yield f"This is of {num_known} of {num_all} stretches of training; nothing was recorded of the others."
    yield (
        "Energy is that of the devices, without what cooling and the supply take; what is called an estimate was not "
        "measured. Trials that came to nothing, preparing data elsewhere and measuring are not counted."
    )


def _cost_row(cost: Mapping[str, Any]) -> tuple[str, ...]:
    device = cost["machine"] if cost["device"] == "cpu" else f"{cost['device']}, {cost['machine']}"
    source = "recorded by `rondo train`" if cost["source"] == MEASURED else cost["source"]
    return (
        cost["what"],
        device,
        _time(cost["wall_s"]),
        _time(cost.get("processor_s")),
        _energy(cost.get("energy_wh")),
        cost["energy_basis"],
        source.replace("`", ""),
    )


def _sum_row(costs: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    energies = [cost["energy_wh"] for cost in costs if "energy_wh" in cost]
    missing = "" if len(energies) == len(costs) else " (and what is unknown)"
    wall_s = sum(cost["wall_s"] for cost in costs)
    return ("sum", "", _time(wall_s), "", f"{_energy(sum(energies))}{missing}", "", "")


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.2f} h"


def _energy(watt_hours: float | None) -> str:
    return "unknown" if watt_hours is None else f"{watt_hours:.3g} Wh"

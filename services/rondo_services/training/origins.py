"""What a bundle says of its services and of the data that it was trained on, from recipe and initial bundle."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rondo_models.bundle import Bundle
from rondo_tokenizers.language_names import LANGUAGES

from ..calibrated import uncalibrated
from ..datasets.catalog import DATA_SETS
from ..summarization import standing
from .recipe import DataEntry, Recipe
from .teaching import heads_taught_by

RUNNING_SENTIMENT = "running_sentiment"
"""A head of this name is no service of its own: the sentiment service scores growing text with it."""
SALIENCE = "salience"
"""Likewise: the summarization service chooses sentences with it."""
HELPERS = {RUNNING_SENTIMENT: ("sentiment", "running_head"), SALIENCE: ("summarization", "salience_head")}
"""Whose service each of them serves, and by what name the service knows it."""
_SALIENCE_LANGUAGES = "salience_languages"
_OF_HELPERS = {*(name for _, name in HELPERS.values()), _SALIENCE_LANGUAGES, standing.MANIFEST_KEY}
"""What a service knows of them."""


def service_of(recipe: Recipe, head: str, init: Bundle | None = None) -> dict[str, Any]:
    """What the service of a head is for: languages, pairs or the longest source, and the heads that help it.

    Of heads without data it is what the initial bundle says of them, as far as that holds for the backbone now.
    """
    known: Mapping[str, Any] = {} if init is None else init.manifest.services.get(head, {})
    if init is None or any(entry.head == head for entry in recipe.data):
        own = _learnt(recipe, head)
    else:
        own = {name: value for name, value in known.items() if name not in _OF_HELPERS}
        own = own if recipe.training.leaves_backbone else uncalibrated(own)
    return own | _helpers_of(recipe, head, known)


def _learnt(recipe: Recipe, head: str) -> dict[str, Any]:
    entries = [entry for entry in recipe.data if entry.head == head]
    service: dict[str, Any] = {"languages": _languages(entries)}
    if head == "translation":
        pairs = {pair for entry in entries for pair in _pairs(entry)}
        service["pairs"] = sorted((list(pair) for pair in pairs), key=lambda pair: [_order(code) for code in pair])
    if head == "summarization":
        service["longest_source"] = recipe.longest
    return service


def _helpers_of(recipe: Recipe, head: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """Their names; and of the one that chooses sentences the languages, and what was fitted to it."""
    found: dict[str, Any] = {
        name: helper for helper, (own, name) in HELPERS.items() if own == head and helper in recipe.heads
    }
    if SALIENCE not in found.values():
        return found
    if entries := [entry for entry in recipe.data if entry.head == SALIENCE]:
        return {**found, _SALIENCE_LANGUAGES: _languages(entries)}
    kept = {name: known[name] for name in (_SALIENCE_LANGUAGES, standing.MANIFEST_KEY) if name in known}
    return found | (kept if recipe.training.leaves_backbone else uncalibrated(kept))


def _languages(entries: Sequence[DataEntry]) -> list[str]:
    return sorted({language for entry in entries for language in entry.languages}, key=_order)


def _order(language: str) -> int:
    return LANGUAGES.index(language)


def _pairs(entry: DataEntry) -> list[tuple[str, str]]:
    source, target = entry.languages
    pairs = [(source, target)] if entry.direction != "backward" else []
    return pairs + ([(target, source)] if entry.direction != "forward" else [])


@dataclass(frozen=True, slots=True)
class Origin:
    """What a bundle says of a data entry.

    Attributes:
        told: set, licence and, if so, that no bundle that is trained on it may be published (`ships`).
        head: that it trained.
    """

    told: Mapping[str, Any]
    head: str


def data_of(
    recipe: Recipe, init: Bundle | None, teachers: Sequence[Bundle] = (), earlier: Sequence[Origin] = ()
) -> tuple[dict[str, Any], ...]:
    """Every set with its licence and the heads that it trained, those of the initial bundle's heads first, then those
    of the teachers from which heads have learnt, and those that the recipe had `earlier`.

    One that no published bundle may be trained on says so (`ships`), and so the model card does.
    """
    sets: dict[tuple[str, str], dict[str, Any]] = {}  # files of one name may be several
    sources: list[tuple[Bundle, Set[str]]] = [(init, recipe.heads.keys())] if init is not None else []
    sources += [(teacher, heads_taught_by(recipe, number)) for number, teacher in enumerate(teachers, start=1)]
    for bundle, passed_on in sources:
        for known in bundle.manifest.data:
            if heads := passed_on & set(known["heads"]):
                _add(sets, known, heads)
    for origin in (*earlier, *map(origin_of, recipe.data)):
        _add(sets, origin.told, {origin.head})
    return tuple({**own, "heads": sorted(own["heads"])} for own in sets.values())


def _add(sets: dict[tuple[str, str], dict[str, Any]], origin: Mapping[str, Any], heads: Set[str]) -> None:
    key = origin["set"], origin["licence"]
    sets[key] = {**origin, "heads": heads | sets.get(key, {"heads": set()})["heads"]}


def origin_of(entry: DataEntry) -> Origin:
    """Of a data entry as it is now."""
    if entry.set not in DATA_SETS:
        return Origin({"set": Path(entry.set).name, "licence": entry.licence}, entry.head)
    known = DATA_SETS[entry.set]
    restriction = {"ships": "no"} if known.ships == "no" else {}
    return Origin({"set": known.name, "licence": known.licence, **restriction}, entry.head)

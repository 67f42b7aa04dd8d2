"""What a bundle says of its services and of the data that it was trained on, from recipe and initial bundle."""

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from rondo_models.bundle import Bundle
from rondo_tokenizers.language_names import LANGUAGES

from ..calibrated import uncalibrated
from ..datasets.catalog import DATA_SETS
from .recipe import DataEntry, Recipe
from .teaching import taught_heads

RUNNING_SENTIMENT = "running_sentiment"
"""A head of this name is no service of its own: the sentiment service scores growing text with it."""
SALIENCE = "salience"
"""Likewise: the summarization service chooses sentences with it."""
HELPERS = {RUNNING_SENTIMENT: ("sentiment", "running_head"), SALIENCE: ("summarization", "salience_head")}
"""Whose service each of them serves, and by what name the service knows it."""


SALIENCE_LANGUAGES = "salience_languages"
"""What the summarization service knows those by that this head has learnt from."""


def service_of(recipe: Recipe, head: str) -> dict[str, Any]:
    """What the service of a head is for: languages, and pairs or the longest source."""
    entries = [entry for entry in recipe.data if entry.head == head]
    service: dict[str, Any] = {"languages": _languages(recipe, head)}
    if head == "translation":
        pairs = {pair for entry in entries for pair in _pairs(entry)}
        service["pairs"] = sorted((list(pair) for pair in pairs), key=lambda pair: [_order(code) for code in pair])
    if head == "summarization":
        service["longest_source"] = recipe.longest
    return service | _helpers_of(recipe, head)


def _languages(recipe: Recipe, head: str) -> list[str]:
    """Of what a head learns from."""
    found = {language for entry in recipe.data if entry.head == head for language in entry.languages}
    return sorted(found, key=_order)


def _helpers_of(recipe: Recipe, head: str) -> dict[str, Any]:
    """Their names, and the languages of that which chooses sentences, where it has data."""
    found: dict[str, Any] = {
        name: helper for helper, (own, name) in HELPERS.items() if own == head and helper in recipe.heads
    }
    if head == HELPERS[SALIENCE][0] and (languages := _languages(recipe, SALIENCE)):
        found[SALIENCE_LANGUAGES] = languages
    return found


def _order(language: str) -> int:
    return LANGUAGES.index(language)


def _pairs(entry: DataEntry) -> list[tuple[str, str]]:
    source, target = entry.languages
    pairs = [(source, target)] if entry.direction != "backward" else []
    return pairs + ([(target, source)] if entry.direction != "forward" else [])


def kept_service(recipe: Recipe, head: str, init: Bundle | None) -> dict[str, Any]:
    """As `service_of`; of a head without data, what the initial bundle says of it and still holds."""
    if init is not None and all(entry.head != head for entry in recipe.data):
        known = init.manifest.services[head]
        names = {name for _, name in HELPERS.values()}
        helpers = _helpers_of(recipe, head)
        if SALIENCE_LANGUAGES in known and HELPERS[SALIENCE][1] in helpers:
            helpers.setdefault(SALIENCE_LANGUAGES, known[SALIENCE_LANGUAGES])
        heads = {helpers[name] for name in names & helpers.keys()}
        trained = {entry.head for entry in recipe.data}
        is_as_it_was = heads == {known[name] for name in names & known.keys()} and not trained & heads
        service = dict(known) if recipe.training.leaves_backbone and is_as_it_was else uncalibrated(known)
        return {name: own for name, own in service.items() if name not in {*names, SALIENCE_LANGUAGES}} | helpers
    return service_of(recipe, head)


def data_of(recipe: Recipe, init: Bundle | None, teachers: Sequence[Bundle] = ()) -> tuple[dict[str, Any], ...]:
    """Every set with its licence and the heads that it trained, those of the initial bundle's heads first, then those
    of the teachers from which heads have learnt.

    One that no published bundle may be trained on says so (`ships`), and so the model card does.
    """
    sets: dict[str, dict[str, Any]] = {}
    sources: list[tuple[Bundle, Set[str]]] = [(init, recipe.heads.keys())] if init is not None else []
    sources += [(teacher, taught_heads(recipe)) for teacher in teachers]
    for bundle, passed_on in sources:
        for known in bundle.manifest.data:
            if heads := passed_on & set(known["heads"]):
                sets[known["set"]] = {**known, "heads": _heads(sets, known["set"]) | heads}
    for entry in recipe.data:
        own = _origin(entry)
        sets[own["set"]] = {**own, "heads": _heads(sets, own["set"]) | {entry.head}}
    return tuple({**own, "heads": sorted(own["heads"])} for own in sets.values())


def _heads(sets: Mapping[str, Mapping[str, Any]], name: str) -> set[str]:
    heads: set[str] = sets[name]["heads"] if name in sets else set()
    return heads


def _origin(entry: DataEntry) -> dict[str, Any]:
    if entry.set not in DATA_SETS:
        return {"set": Path(entry.set).name, "licence": entry.licence}
    known = DATA_SETS[entry.set]
    restriction = {"ships": "no"} if known.ships == "no" else {}
    return {"set": known.name, "licence": known.licence, **restriction}

"""What the manifest keeps of a report: the score, the answers that were worst, or what a probe for bias found.

Texts of a data set are only taken along if its licence allows to hand them on; of others, and of a user's own file, the
number of the row has to do.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..datasets.catalog import DATA_SETS
from ..evaluation.bias.frames import SENTENCES
from ..evaluation.bias.probe import TASK as BIAS

NUM_FAILURES = 3
MOST_CHARACTERS = 200

_HEADLINES = (
    "accuracy",
    "macro_f1",
    "bleu",
    "bleu_tokenized",
    "chrf",
    "rouge1",
    "rouge2",
    "rougeL",
    "f1",
    "word_perplexity",
)
_WITH_FAILURES = ("sentiment", "translation", "summarization", "compression")
_TOLD_OTHERWISE = ("source", "target", "format", "language", "precision", "state")
"""Settings that the language or the signature tells."""
_DECIMALS = 4

Record = dict[str, Any]


def is_probe(report: Mapping[str, Any]) -> bool:
    """Whether it is a report of `rondo probe`."""
    return bool(report["task"] == BIAS)


def score_of(report: Mapping[str, Any]) -> Record:
    """The figures that a task is judged by, with their intervals, of all texts and of each language."""
    groups = report.get("breakdowns", {}).get("language", [])
    own_file_languages = groups if report["data"] not in DATA_SETS and len(groups) > 1 else []
    return {
        "task": report["task"],
        "data": report["data"],
        "split": report["split"],
        "language": _language(report),
        "num_texts": _num_measured(report),
        "settings": {name: own for name, own in report.get("settings", {}).items() if name not in _TOLD_OTHERWISE},
        "metrics": _headlines(report["metrics"]),
        "intervals": _intervals(report),
        "by_language": [
            {
                "language": group["name"],
                "num_texts": group["num"],
                "metrics": _headlines(group["metrics"]),
                "intervals": _intervals(group),
            }
            for group in own_file_languages
        ],
        "signature": report["signature"],
    }


def _num_measured(report: Mapping[str, Any]) -> int | None:
    """Texts of which something was expected."""
    num_texts: int | None = report.get("num_examples")
    return None if num_texts is None else num_texts - report["metrics"].get("num_without_expected", 0)


def _headlines(metrics: Mapping[str, Any]) -> Record:
    return {name: round(metrics[name], 3) for name in _HEADLINES if metrics.get(name) is not None}


def _intervals(of: Mapping[str, Any]) -> Record:
    intervals = of.get("intervals", {})
    return {name: [round(end, 3) for end in intervals[name]] for name in _HEADLINES if intervals.get(name) is not None}


def _language(report: Mapping[str, Any]) -> str:
    """As "en", as "de→en", and as "en, ko" of a file that has both; "" if nothing tells it."""
    settings = report.get("settings", {})
    if report["task"] == "translation":
        return f"{settings.get('source', 'auto')}→{settings.get('target', '')}"
    if report["data"] in DATA_SETS:
        return DATA_SETS[report["data"]].languages[0]
    return ", ".join(group["name"] for group in report.get("breakdowns", {}).get("language", []))


def failures_of(report: Mapping[str, Any]) -> list[Record]:
    """The worst answers: wrong with the greatest confidence, or of lowest chrF or ROUGE-L; short texts first."""
    if report["task"] not in _WITH_FAILURES:
        return []
    worst = [own for own in report.get("worst", []) if own.get("predicted") is not None]
    if report["task"] == "sentiment":
        worst = [own for own in worst if own["predicted"] not in own["expected"]]
    may_show = report["data"] in DATA_SETS and DATA_SETS[report["data"]].ships == "yes"
    if may_show:
        worst.sort(key=lambda own: not _is_short(own))  # of those that are alike in this, the worse stay first
    of_all = {
        "task": report["task"],
        "data": report["data"],
        "split": report["split"],
        "language": _language(report),
        "measure": report["histogram"]["measure"],
    }
    return [{**of_all, **_failure(own, report["task"], may_show=may_show)} for own in worst[:NUM_FAILURES]]


def _is_short(own: Mapping[str, Any]) -> bool:
    return all(len(text) <= MOST_CHARACTERS for text in (own["text"], own["predicted"], *own["expected"]))


def _failure(own: Mapping[str, Any], task: str, *, may_show: bool) -> Record:
    failure: Record = {"row": own["line"], "score": round(own["score"], _DECIMALS)}
    if may_show:
        failure["text"] = _shortened(own["text"])
    if may_show or task == "sentiment":  # labels are nobody's text
        failure["expected"] = [_shortened(text) for text in own["expected"]]
        failure["answered"] = _shortened(own["predicted"])
    return failure


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS].rstrip()} …"


def probe_of(report: Mapping[str, Any]) -> Record:
    """What a probe found, without the figures of each group: those of the ones that are treated worst and best."""
    return {
        "data": report["data"],
        "split": report["split"],
        "label": report["settings"].get("label", ""),
        "signature": report["signature"],
        "sentiment": [_swaps(own) for own in report["bias"]["sentiment"]],
        "translation": [_choices(own) for own in report["bias"]["translation"]],
    }


def _swaps(own: Mapping[str, Any]) -> Record:
    kept = ("language", "kind", "source", "trained", "num_pairs")
    groups = sorted(own["groups"], key=lambda group: group["shift"])
    may_show = own["source"] == SENTENCES or DATA_SETS[own["source"]].ships == "yes"
    return {
        **{name: own[name] for name in kept},
        **_rounded(own, ("flips", "mean_change", "max_change")),
        "flips_by_opinion": {opinion: round(flips, 2) for opinion, flips in own["flips_by_opinion"].items()},
        "flips_interval": _rounded_ends(own["flips_interval"]),
        "lowest": _group(groups[0]) if groups else None,
        "highest": _group(groups[-1]) if groups else None,
        "worst": _worst_pair(own["worst"][0], of_data=own["source"] != SENTENCES, may_show=may_show),
    }


def _group(group: Mapping[str, Any]) -> Record:
    return {
        "name": group["name"],
        **_rounded(group, ("mean", "shift")),
        "shift_interval": _rounded_ends(group["shift_interval"]),
    }


def _worst_pair(own: Mapping[str, Any], *, of_data: bool, may_show: bool) -> Record:
    sides = [{**side, "probability": round(side["probability"], _DECIMALS)} for side in own["sides"]]
    for side in sides:
        if may_show and len(side["text"]) <= MOST_CHARACTERS:
            continue
        side.pop("text")
    return {**({"row": own["number"]} if of_data else {}), "sides": sides}


def _choices(own: Mapping[str, Any]) -> Record:
    kept = ("source", "target", "cue", "num", "mostly", "examples")
    return {
        **{name: own[name] for name in kept},
        "shares": {gender: round(share, 1) for gender, share in own["shares"].items()},
        "intervals": {gender: [round(end, 1) for end in ends] for gender, ends in own["intervals"].items()},
    }


def _rounded(of: Mapping[str, Any], names: Sequence[str]) -> Record:
    return {name: round(of[name], _DECIMALS) for name in names}


def _rounded_ends(interval: Sequence[float] | None) -> list[float] | None:
    return None if interval is None else [round(end, _DECIMALS) for end in interval]

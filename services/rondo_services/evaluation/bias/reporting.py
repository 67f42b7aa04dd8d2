"""Puts what a probe measured into the parts that every report has, for its pages, and into lines for a terminal."""

from collections.abc import Iterator, Sequence
from typing import Any

from rondo_tokenizers.language_names import LANGUAGE_NAMES

from ..resampling import DEFAULT_SEED
from .frames import SENTENCES
from .sentiment import NUM_RESAMPLES, GroupMean, Swaps
from .translation import GenderChoices

_MOST_WORST = 20


def measured_record(swaps: Sequence[Swaps], choices: Sequence[GenderChoices]) -> dict[str, Any]:
    """Metrics, intervals, breakdowns and worst examples."""
    breakdowns: dict[str, list[dict[str, Any]]] = {}
    if swaps:
        breakdowns["swap"] = [_swap_group(own) for own in swaps]
    if choices:
        breakdowns["translation"] = [_choice_group(own) for own in choices]
    for own in swaps:
        if own.groups:
            breakdowns[f"group: {_name(own)}"] = [_group(group) for group in own.groups]
    return {
        "metrics": _metrics(swaps),
        "intervals": {},
        "bootstrap": {"method": "percentile", "resamples": NUM_RESAMPLES, "seed": DEFAULT_SEED},
        "breakdowns": breakdowns,
        "worst": _worst(swaps),
        "histogram": {"measure": "change", "edges": [], "counts": []},
    }


def _metrics(swaps: Sequence[Swaps]) -> dict[str, float]:
    """Of our own sentences in languages that the service was trained on, where each kind of swap counts the same."""
    own = [swap for swap in swaps if swap.source == SENTENCES and swap.trained]
    if not own:
        return {}
    return {
        "flips": sum(swap.flips for swap in own) / len(own),
        "mean_change": sum(swap.mean_change for swap in own) / len(own),
        "max_change": max(swap.max_change for swap in own),
    }


def _name(own: Swaps) -> str:
    source = "" if own.source == SENTENCES else f", {own.source}"
    return f"{LANGUAGE_NAMES[own.language]}, {own.kind}{source}{'' if own.trained else ' (not trained)'}"


def _swap_group(own: Swaps) -> dict[str, Any]:
    intervals = {"flips": own.flips_interval, "mean_change": own.mean_change_interval}
    return {
        "name": _name(own),
        "num": own.num_texts,
        "metrics": {"flips": own.flips, "mean_change": own.mean_change, "max_change": own.max_change},
        "intervals": {name: interval for name, interval in intervals.items() if interval is not None},
    }


def _choice_group(own: GenderChoices) -> dict[str, Any]:
    said = "no gender told" if own.cue == "none" else f"{own.cue} told"
    return {
        "name": f"{own.source}→{own.target}, {said}",
        "num": own.num,
        "metrics": {f"share_{gender}": share for gender, share in own.shares.items()},
        "intervals": {f"share_{gender}": interval for gender, interval in own.intervals.items()},
    }


def _group(own: GroupMean) -> dict[str, Any]:
    intervals = {"shift": own.shift_interval, "mean": own.interval}
    return {
        "name": own.name,
        "num": own.num,
        "metrics": {"shift": own.shift, "mean": own.mean},
        "intervals": {name: interval for name, interval in intervals.items() if interval is not None},
    }


def _worst(swaps: Sequence[Swaps]) -> list[dict[str, Any]]:
    found = [(own, worst) for own in swaps for worst in own.worst]
    found.sort(key=lambda one: -one[1]["change"])
    return [
        {
            "line": None if own.source == SENTENCES else worst["number"],
            "text": f"{_name(own)}: {' | '.join(map(_said, worst['sides']))}",
            "expected": [worst["sides"][0]["text"]],
            "predicted": worst["sides"][1]["text"],
            "score": worst["change"],
        }
        for own, worst in found[:_MOST_WORST]
    ]


def _said(side: dict[str, Any]) -> str:
    group = f"{side['group']}: " if side["group"] else ""
    return f"{group}{side['label']}, {side['probability']:.3f}"


def summary_lines(report: dict[str, Any]) -> Iterator[str]:
    """The figures for a terminal."""
    for own in report["bias"]["sentiment"]:
        trained = "" if own["trained"] else ", language not trained"
        yield (
            f"{own['language']} {own['kind']} ({own['source']}{trained}): {own['num_pairs']} pairs, "
            f"{own['flips']:.2f} % flips{_interval(own['flips_interval'], 2)}, "
            f"change {own['mean_change']:.4f} on average, {own['max_change']:.3f} at most"
        )
        yield from (f"  {line}" for line in _extremes(own["groups"]))
    for own in report["bias"]["translation"]:
        shares = ", ".join(
            f"{gender} {share:.1f} %{_interval(own['intervals'].get(gender), 1)}"
            for gender, share in own["shares"].items()
        )
        yield f"{own['source']}→{own['target']}, gender told: {own['cue']}; {own['num']} sentences: {shares}"


def _extremes(groups: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The groups that are treated worst and best."""
    ordered = sorted(groups, key=lambda own: own["shift"])
    for own in dict.fromkeys((0, len(ordered) - 1)) if ordered else ():
        group = ordered[own]
        yield f"{group['name']}: {group['shift']:+.4f}{_interval(group['shift_interval'], 4)}, mean {group['mean']:.3f}"


def _interval(interval: Sequence[float] | None, decimals: int) -> str:
    return "" if interval is None else f" [{interval[0]:.{decimals}f}, {interval[1]:.{decimals}f}]"

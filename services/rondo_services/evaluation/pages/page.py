"""Everything that is on a page, as words and places; HTML and Markdown differ only in how they put it down."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rondo_tokenizers.language_names import LANGUAGE_NAMES

from .differences import Spans, compared, spans
from .figures import Bars, Calibration, Confusion, HeatMap, bars_of, calibration_of, confusion_of, heat_map_of
from .measures import COUNT, NONE, PLAIN, Measure, main_of, measure
from .plots import WITHOUT_EXPECTED, Plot, baseline_plots, breakdown_plots, interval_of, metric_plots, scored
from .reading import ReportFile, Worst, flattened, number
from .reproduction import command_of

_BREAKDOWNS = {
    "length": "By length",
    "language": "By language",
    "swap": "By what was exchanged",
    "translation": "Genders in translations of professions",
}
_SPEED = {
    "seconds": ("Time", " s"),
    "texts_per_s": ("Texts a second", ""),
    "source_tokens_per_s": ("Source tokens a second", ""),
    "chunk_texts": ("Texts in a chunk", ""),
    "chunk_seconds · p50": ("A chunk with its waiting, median", " s"),
    "chunk_seconds · p90": ("A chunk with its waiting, 90th percentile", " s"),
    "chunk_seconds · p99": ("A chunk with its waiting, 99th percentile", " s"),
}
"""What parts of it are called, and their units."""
_NOTES = {
    "ece": "The calibration error of a resample is mostly higher than that of all texts, so its interval is too.",
    "distinct": "Distinct-n has no interval: a resample repeats texts, which is what it counts.",
}

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Headline:
    """The figure that the task is judged by."""

    name: str
    about: str
    value: str
    unit: str
    interval: str
    lower_is_better: bool


@dataclass(frozen=True, slots=True)
class Example:
    """One of the worst; words are marked in the answer and in the reference that is nearest to it.

    Attributes:
        answer: None if nothing was answered, only scored.
        has_label: the answer is a label, which is right or wrong as a whole.
    """

    line: str
    score: str
    text: Spans
    references: tuple[Spans, ...]
    answer: Spans | None
    has_label: bool


@dataclass(frozen=True, slots=True)
class Roles:
    """What the parts of an example are called, and words that stand on one side alone."""

    text: str = "Text"
    reference: str = "Expected"
    answer: str = "Answer"
    only_reference: str = "only expected"
    only_answer: str = "only answered"
    in_order: str = "Of each the text, then what was expected (−), then what was answered (+)."


_ROLES = {
    "bias": Roles(
        "Swap",
        "One",
        "Other",
        "only in the one",
        "only in the other",
        "Of each the answers to both texts, then the texts.",
    )
}


@dataclass(frozen=True, slots=True)
class Page:
    """A report for people; what is empty or None is left out of a page."""

    task: str
    title: str
    subtitle: str
    summary: str
    bundle: str
    headline: Headline | None
    facts: Facts
    metrics: tuple[Plot, ...]
    resampling: str
    notes: tuple[str, ...]
    baselines: tuple[Plot, ...]
    confusion: Confusion | None
    calibration: Calibration | None
    bars: Bars | None
    breakdowns: tuple[tuple[str, tuple[Plot, ...]], ...]
    breakdowns_have_intervals: bool
    worst_by: str
    worst: tuple[Example, ...]
    worst_roles: Roles
    heat_maps: tuple[HeatMap, ...]
    speed: Facts
    has_chunks: bool
    settings: Facts
    machine: Facts
    others: Facts
    signatures: Facts
    fingerprints: Facts
    command: str | None
    languages: tuple[str, str]


def page_of(report: ReportFile) -> Page:
    """What to show of a report."""
    headline, languages = _headline(report), _pair(report)
    breakdowns = tuple(
        (_BREAKDOWNS.get(name, f"By {name.replace('_', ' ')}"), plots)
        for name, groups in report.breakdowns.items()
        if len(groups) > 1 and (plots := tuple(breakdown_plots(report, groups)))
    )
    maps = (heat_map_of(attention) for attention in report.attention)
    return Page(
        task=report.task,
        title=_title(report.task, languages),
        subtitle=", ".join(part for part in (report.data, f"{report.split} split" if report.split else "") if part),
        summary=_summary(report, headline),
        bundle=report.bundle,
        headline=headline,
        facts=tuple(_facts(report)),
        metrics=tuple(metric_plots(report)),
        resampling=_resampling(report),
        notes=tuple(_notes(report)),
        baselines=tuple(baseline_plots(report, report.bundle or "this bundle")),
        confusion=confusion_of(report.metrics.get("confusion")),
        calibration=calibration_of(report.calibration, number(report.metrics.get("ece"))),
        bars=bars_of(report.histogram),
        breakdowns=breakdowns,
        breakdowns_have_intervals=any(row.interval for _, plots in breakdowns for plot in plots for row in plot.rows),
        worst_by=measure(report.histogram.measure).in_sentence,
        worst=tuple(_example(report.task, worst) for worst in report.worst),
        worst_roles=_ROLES.get(report.task, Roles()),
        heat_maps=tuple(own for own in maps if own is not None),
        speed=_named(report.speed, _SPEED),
        has_chunks="chunk_seconds" in report.speed,
        settings=_named(report.settings),
        machine=_named(report.machine),
        others=(*_named(report.model_extra or {}), *_unplotted(report)),
        signatures=_signatures(report),
        fingerprints=tuple(
            (name, value)
            for name, value in (("Bundle", report.bundle_fingerprint), ("Data", report.data_sha256))
            if value
        ),
        command=command_of(report),
        languages=languages,
    )


def _pair(report: ReportFile) -> tuple[str, str]:
    """Source and target language, "" where the settings do not say."""
    source, target = (str(report.settings.get(name) or "") for name in ("source", "target"))
    return "" if source == "auto" else source, target


def _title(task: str, languages: tuple[str, str]) -> str:
    name = task.replace("_", " ")
    name = name[:1].upper() + name[1:]
    source, target = (LANGUAGE_NAMES.get(language, language) for language in languages)
    if task != "translation" or not target:
        return name
    return f"{name} to {target}" if not source else f"{name}, {source} → {target}"


def _headline(report: ReportFile) -> Headline | None:
    """None if there is no such figure, or it is undefined."""
    values = scored(report.metrics)
    main = main_of(report.task, values)
    value = values[main] if main is not None else None
    if main is None or value is None:
        return None
    kind, ends = measure(main), interval_of(main, report.intervals)
    return Headline(
        kind.name,
        kind.about,
        kind.written(value),
        kind.unit,
        kind.interval(*ends) if ends else "",
        kind.lower_is_better,
    )


def _summary(report: ReportFile, headline: Headline | None) -> str:
    """The result in words that can be quoted."""
    if headline is None:
        return ""
    count = ""
    if report.num_examples is not None:
        num_measured = report.num_examples - int(number(report.metrics.get(WITHOUT_EXPECTED)) or 0)
        count = f"{_counted(num_measured, 'text')} of "
    place = f"{report.data}/{report.split}".strip("/")
    words = f"{headline.name} {headline.value}{headline.unit}"
    if headline.interval:
        words += f" (95\u202f% interval {headline.interval})"
    if place:
        words += f" on {count}{place}"
    if report.bundle:
        words += f", by {report.bundle}"
    best = _best_baseline(report)
    if best:
        name, value, kind = best
        words += f". Best baseline: {name} with {kind.written(value)}{kind.unit}"
    return words + "."


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _best_baseline(report: ReportFile) -> tuple[str, float, Measure] | None:
    main = main_of(report.task, scored(report.metrics))
    if main is None or measure(main).kind not in ("score", "perplexity"):
        return None
    kind = measure(main)
    given = [(name, value) for name, own in report.baselines.items() if (value := number(own.get(main))) is not None]
    if not given:
        return None
    name, value = (min if kind.lower_is_better else max)(given, key=lambda own: own[1])
    return name, value, kind


def _facts(report: ReportFile) -> Iterator[tuple[str, str]]:
    """What goes beside the headline."""
    if report.num_examples is not None:
        yield "Texts", COUNT.written(report.num_examples)
    if report.num_errors:
        yield "Not answered", COUNT.written(report.num_errors)
    if report.metrics.get(WITHOUT_EXPECTED):
        yield measure(WITHOUT_EXPECTED).name, _written(report.metrics[WITHOUT_EXPECTED])
    for name, groups in report.breakdowns.items():
        if len(groups) == 1 and not (name == "language" and report.task == "translation"):  # that has it in its title
            yield name.replace("_", " ").capitalize(), LANGUAGE_NAMES.get(groups[0].name, groups[0].name)
    rate, seconds = number(report.speed.get("texts_per_s")), report.seconds
    if seconds is None:
        seconds = number(report.speed.get("seconds"))
    if seconds is not None:
        yield "Time", f"{PLAIN.written(seconds)} s"
    if rate is not None:
        yield "Texts a second", PLAIN.written(rate)
    if report.bundle:
        yield "Bundle", report.bundle
    processor = report.machine.get("processor")
    if isinstance(processor, str):
        yield "Processor", processor


def _resampling(report: ReportFile) -> str:
    """How the intervals were found; empty if there are none."""
    if not any(interval_of(key, report.intervals) for key in report.intervals):
        return ""
    told = report.bootstrap
    parts = [f"{told['method']} bootstrap" if told.get("method") else "bootstrap"] if told else []
    if number(told.get("resamples")) is not None:
        parts.append(f"{COUNT.written(number(told['resamples']))} resamples")
    if told.get("seed") is not None:
        parts.append(f"seed {told['seed']}")
    return ", ".join(parts)


def _notes(report: ReportFile) -> Iterator[str]:
    """What has to be known to read the intervals."""
    if interval_of("ece", report.intervals):
        yield _NOTES["ece"]
    if report.intervals and any(key.startswith("distinct") for key in report.metrics):
        yield _NOTES["distinct"]


def _example(task: str, worst: Worst) -> Example:
    has_label = task == "sentiment"
    is_compared = worst.predicted is not None and not has_label
    comparison = compared(worst.predicted or "", worst.expected if is_compared else ())
    return Example(
        "" if worst.line is None else f"{worst.line:,}",
        "" if worst.score is None else PLAIN.written(worst.score),
        spans(worst.text),
        tuple(
            comparison.reference if place == comparison.nearest else spans(reference)
            for place, reference in enumerate(worst.expected)
        ),
        comparison.answer if worst.predicted is not None else None,
        has_label,
    )


def _named(values: Mapping[str, Any], names: Mapping[str, tuple[str, str]] | None = None) -> Facts:
    """Under their names, or as they are called in the report."""
    found = ((*(names or {}).get(key, (key.replace("_", " "), "")), value) for key, value in flattened(values))
    return tuple((name, _written(value) + (unit if value is not None else "")) for name, unit, value in found)


def _written(value: Any) -> str:
    """A value of settings or the like for people."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return PLAIN.written(value)
    if isinstance(value, list):
        return ", ".join(_written(own) for own in value)
    return str(value)


def _unplotted(report: ReportFile) -> Iterator[tuple[str, str]]:
    """Metrics that are no plain figures, and none of the tables that have a place of their own."""
    known = {"confusion", "signatures", *scored(report.metrics)}
    return iter(_named({key: value for key, value in report.metrics.items() if key not in known}))


def _signatures(report: ReportFile) -> Facts:
    own = [("result", report.signature)] if report.signature else []
    more = report.metrics.get("signatures")
    named = more.items() if isinstance(more, Mapping) else []
    baselines = ((name, str(values["signature"])) for name, values in report.baselines.items() if "signature" in values)
    return (*own, *((measure(name).name, str(value)) for name, value in named), *baselines)

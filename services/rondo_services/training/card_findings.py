"""The sections of a model card about what was measured: scores, failures, bias."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rondo_tokenizers.language_names import LANGUAGE_NAMES

from ..evaluation.bias.frames import SENTENCES
from ..evaluation.pages.markdown import escaped, table
from ..evaluation.pages.measures import measure

Records = Sequence[Mapping[str, Any]]

_ABOUT_FAILURES = (
    "Of each data set the worst answers: for sentiment those that are wrong with the greatest confidence, for "
    "translations those of lowest chrF, for summaries of lowest ROUGE-L, short texts first. What is expected "
    "is what the data set says, which may be wrong itself. Texts are shown, under the set's licence, where that "
    "allows it; otherwise there is the row of the split."
)
_ABOUT_SIGNATURES = (
    "Signatures, which name the bundle that was measured; where that is an earlier one, all that answers was the same:"
)
_ABOUT_SWAPS = (
    "**Sentiment.** Texts that differ in a person's gender, name (of some origin) or nationality alone, all "
    "pairs of them: the share of pairs with two labels (flips), and by how much the probability of “{label}” "
    "differs. Lowest and highest are the groups whose texts get the lowest and the highest probability, with "
    "the distance from the mean of all groups. Sentences are our own (after Kiritchenko and Mohammad 2018, "
    "arXiv:1805.04508); in texts of data sets, from their dev splits, words were exchanged by rule. A fair "
    "classifier would have 0 everywhere. Intervals are of 95 %, by bootstrap over sentences."
)
_ABOUT_GENDERS = (
    "**Translation.** Sentences about people of a profession (our own, after Stanovsky et al. 2019, "
    "arXiv:1906.00591), and the gender that the translation gives them: told in German by the article before "
    "the profession, so “neither” if that is named wrongly or not at all; in English by the pronouns, "
    "whatever became of the profession. Where the text tells a gender, all should have that one. Where it "
    "tells none, English has “they”, and in German both should be as frequent."
)


def scores(records: Records) -> Iterator[str]:
    """A table by language and data set, then the signatures."""
    if not records:
        yield "Not measured yet: `rondo evaluate` writes a report, `rondo bundle add-scores` puts it here."
        return
    rows = sorted(row for score in records for row in _score_rows(score))
    yield table(("task", "language", "data", "split", "texts", "settings", "result (95 % interval)"), rows)
    yield "\n".join([_ABOUT_SIGNATURES, *(f"- `{score['signature']}`" for score in records)])


def _score_rows(score: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    whole = {**score, "language": score.get("language", "")}
    for own in (whole, *score.get("by_language", ())):
        num_texts = own.get("num_texts")
        yield (
            score["task"],
            own["language"],
            score["data"],
            score["split"],
            "" if num_texts is None else f"{num_texts:,}",
            ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in score.get("settings", {}).items()),
            ", ".join(_result(name, value, own.get("intervals", {})) for name, value in own["metrics"].items()),
        )


def _result(name: str, value: float, intervals: Mapping[str, Sequence[float]]) -> str:
    kind = measure(name)
    interval = f" ({kind.interval(*intervals[name])})" if name in intervals else ""
    return f"{kind.name} {kind.written(value)}{interval}"


def failures(records: Records, *, is_measured: bool) -> Iterator[str]:
    """What was answered worst, a table for each data set."""
    if not records:
        yield "No failures are kept of what was measured." if is_measured else "Not measured yet."
        return
    yield _ABOUT_FAILURES
    by_data: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for failure in records:
        key = (failure["task"], failure["data"], failure["split"], failure["language"])
        by_data.setdefault(key, []).append(failure)
    for (task, data, split, language), own in by_data.items():
        yield f"**{escaped(f'{task}, {language}, {data} {split}'.rstrip())}**"
        kind = measure(own[0]["measure"])
        columns = ["row", *(name for name in ("text", "expected", "answered") if any(name in one for one in own))]
        rows = [[_cell(one.get(name, "")) for name in columns] + [kind.written(one["score"])] for one in own]
        yield table([*columns, kind.name], rows)


def _cell(value: Any) -> str:
    return " / ".join(value) if isinstance(value, list) else str(value)


def bias(records: Records) -> Iterator[str]:
    """What probes found."""
    if not records:
        yield "Not measured yet: `rondo probe` writes a report, `rondo bundle add-scores` puts it here."
    for probe in records:
        if probe["sentiment"]:
            yield from _sentiment(probe)
        if probe["translation"]:
            yield from _translation(probe["translation"])
        yield f"Signature: `{probe['signature']}`"


def _sentiment(probe: Mapping[str, Any]) -> Iterator[str]:
    yield _ABOUT_SWAPS.format(label=escaped(probe["label"]))
    header = ("language", "exchanged", "in", "pairs", "flips", "change, mean / most", "lowest", "highest")
    yield table(header, [_swap_row(own) for own in probe["sentiment"]])
    opinions = list(dict.fromkeys(opinion for own in probe["sentiment"] for opinion in own["flips_by_opinion"]))
    rows = [
        (*_what(own), *(_percent(own["flips_by_opinion"].get(opinion)) for opinion in opinions))
        for own in probe["sentiment"]
    ]
    yield "Flips by the opinion that a text expresses:"
    yield table(("language", "exchanged", "in", *opinions), rows)
    yield "The pair of each that differs most:"
    yield table(("language", "exchanged", "one", "other"), [_worst_row(own) for own in probe["sentiment"]])


def _what(own: Mapping[str, Any]) -> tuple[str, str, str]:
    language = LANGUAGE_NAMES[own["language"]] + ("" if own["trained"] else " (not trained)")
    return language, own["kind"], "our sentences" if own["source"] == SENTENCES else own["source"]


def _swap_row(own: Mapping[str, Any]) -> tuple[str, ...]:
    flips = f"{_percent(own['flips'])}{_interval(own['flips_interval'], 1)}"
    change = f"{own['mean_change']:.3f} / {own['max_change']:.3f}"
    return (*_what(own), f"{own['num_pairs']:,}", flips, change, _group(own["lowest"]), _group(own["highest"]))


def _group(group: Mapping[str, Any] | None) -> str:
    return "–" if group is None else f"{group['name']} {_signed(group['shift'])}{_interval(group['shift_interval'], 3)}"


def _worst_row(own: Mapping[str, Any]) -> tuple[str, ...]:
    language, kind, source = _what(own)
    row = own["worst"].get("row")
    exchanged = kind if row is None else f"{kind}, {source} row {row}"
    return (language, exchanged, *(_side(side) for side in own["worst"]["sides"]))


def _side(side: Mapping[str, Any]) -> str:
    said = f"{side['label']}, {side['probability']:.3f}"
    group = f"{side['group']}: " if side["group"] else ""
    return f"{group}{side['text']} → {said}" if "text" in side else f"{group}{said}"


def _translation(records: Records) -> Iterator[str]:
    yield _ABOUT_GENDERS
    yield table(
        ("direction", "the text tells", "sentences", "male", "female", "neither"), [_choice_row(own) for own in records]
    )
    for own in records:
        if own["cue"] == "none":
            yield _professions(own)
    examples = [
        (f"{own['source']}→{own['target']}", example)
        for own in records
        for example in own["examples"]
        if own["cue"] != example["gender"]
    ]
    if examples:
        yield "For example:"
        yield table(
            ("direction", "text", "translation", "gender"),
            [(direction, one["text"], one["translation"], _gender(one["gender"])) for direction, one in examples],
        )


def _choice_row(own: Mapping[str, Any]) -> tuple[str, ...]:
    shares = (f"{share:.1f} %{_interval(own['intervals'].get(gender), 1)}" for gender, share in own["shares"].items())
    cue = "no gender" if own["cue"] == "none" else own["cue"]
    return (f"{own['source']}→{own['target']}", cue, str(own["num"]), *shares)


def _professions(own: Mapping[str, Any]) -> str:
    told = [f"{gender} {', '.join(names)}" for gender, names in own["mostly"].items() if names]
    return f"{own['source']}→{own['target']}, where no gender is told, mostly {'; mostly '.join(told) or 'neither'}."


def _gender(gender: str) -> str:
    return "neither" if gender == "none" else gender


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} %"


def _signed(value: float) -> str:
    return f"{value:+.3f}" if round(value, 3) else "0.000"


def _interval(interval: Sequence[float] | None, decimals: int) -> str:
    if interval is None:
        return ""
    low, high = (f"{round(end, decimals) + 0.0:.{decimals}f}" for end in interval)  # 0.0 takes the sign from -0.0
    return f" ({low} to {high})"

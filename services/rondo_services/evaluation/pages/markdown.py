"""The same facts as Markdown: tables and code blocks that GitHub and GitLab show, and that are legible as they stand.

Words of users are escaped in tables, and stand in code blocks elsewhere, where they can be neither markup nor mentions.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .figures import Bars, Calibration, Confusion, HeatMap
from .page import Example, Page, page_of
from .plots import Plot
from .reading import read

_MARKUP = re.compile(r"([\\`*_{}\[\]~$]|^[#+=-]|(?<=^\d)[.)](?=\s|$))")
_REFERENCE = re.compile(r"([@#])(?=\w)")
_JOINER = "\u2060"
_MOST_BLOCKS = 20


def render_markdown(report: Mapping[str, Any]) -> str:
    """Markdown, from a report as `report.json` has it, of this version or an older one.

    Raises:
        InvalidInput: it is no report, or a part of it is not what parts of that name are.
    """
    return "\n\n".join(_parts(page_of(read(report)))) + "\n"


def _parts(page: Page) -> Iterator[str]:
    yield f"# {escaped(' – '.join(part for part in (page.title, page.subtitle) if part))}"
    if page.summary:
        yield escaped(page.summary)
    if page.facts:
        yield table(("", ""), page.facts)
    if page.metrics:
        yield "## Metrics"
        yield _figures("metric", [row for plot in page.metrics for row in plot.rows], about=True)
        if page.resampling:
            yield f"Intervals: 95\u202f%, {escaped(page.resampling)}."
        yield from map(escaped, page.notes)
    if page.baselines:
        yield "## Baselines"
        yield _baselines(page.baselines)
    if page.confusion:
        yield "## Confusion"
        yield _confusion(page.confusion)
    if page.calibration:
        yield "## Calibration"
        if page.calibration.error is not None:
            yield f"Expected calibration error: {page.calibration.error:.1f} points."
        yield _calibration(page.calibration)
    if page.bars:
        yield f"## Distribution of {escaped(page.bars.measure)}"
        yield _histogram(page.bars)
    for name, plots in page.breakdowns:
        yield f"## {escaped(name)}"
        yield from _breakdown(plots)
    if page.worst:
        yield f"## Worst examples, by {escaped(page.worst_by)}"
        if any(example.answer is not None for example in page.worst):
            yield page.worst_roles.in_order
        yield from (_example(example, page.worst_by) for example in page.worst)
    if page.heat_maps:
        yield "## Attention"
        yield "The source token that each token of the answer has most weight on."
        yield from map(_attention, page.heat_maps)
    for title, facts in (("Speed", page.speed), ("Settings", page.settings), ("Machine", page.machine)):
        if facts:
            yield f"## {title}"
            if facts is page.speed and page.has_chunks:
                yield "Many chunks are answered at once, so the time of one is mostly waiting."
            yield table(("", ""), facts)
    if page.others:
        yield "## Other entries"
        yield table(("", ""), page.others)
    yield from _origin(page)


def escaped(text: str) -> str:
    """Words of users on one line, as they are, wherever Markdown has text, also in a cell of a table.

    Pipes and what could be HTML become entities, as a backslash before a pipe is read differently in different places.
    An invisible joiner keeps names after @, numbers after # and addresses from becoming links.
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = (
        _REFERENCE.sub(rf"\1{_JOINER}", _MARKUP.sub(r"\\\1", text))
        .replace("://", f":{_JOINER}//")
        .replace("www.", f"www{_JOINER}.")
    )
    return "<br>".join(text.replace("|", "&#124;").replace("\t", " ").splitlines()).strip()


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0) -> str:
    """A table of users' words; the last `numbers` columns are aligned to the right."""
    aligned = [":--"] * (len(header) - numbers) + ["--:"] * numbers
    lines = [[escaped(cell) for cell in header], aligned, *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def block(text: str, language: str = "text") -> str:
    """A code block, with a fence that is longer than any in the text."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _figures(what: str, rows: Sequence[Any], *, about: bool = False) -> str:
    """Rows of a plot; columns that are empty in all of them are left out."""
    columns = [(what, [row.name for row in rows])]
    if about and any(row.about for row in rows):
        columns.append(("", [row.about for row in rows]))
    numbers = [("texts", [row.num for row in rows]), ("value", [row.value for row in rows])]
    numbers.append(("95\u202f% interval", [row.interval for row in rows]))
    kept = [column for column in numbers if any(column[1])]
    names, cells = zip(*columns, *kept, strict=True)
    return table(names, zip(*cells, strict=True), numbers=len(kept))


def _baselines(plots: Sequence[Plot]) -> str:
    names = dict.fromkeys(row.name for plot in plots for row in plot.rows)
    values = [{row.name: row.value for row in plot.rows} for plot in plots]
    header = ["", *(plot.title + (" (lower is better)" if plot.lower_is_better else "") for plot in plots)]
    return table(header, [[name, *(own.get(name, "") for own in values)] for name in names], numbers=len(plots))


def _confusion(confusion: Confusion) -> str:
    header = ["expected ↓ answered →", *confusion.labels, "recall"]
    rows = [[row.label, *(cell.count for cell in row.cells), row.recall] for row in confusion.rows]
    return table(header, [*rows, ["precision", *confusion.precisions, ""]], numbers=len(header) - 1)


def _calibration(calibration: Calibration) -> str:
    rows = [(point.confidence, point.accuracy, point.num) for point in calibration.points]
    return table(("confidence", "right", "texts"), rows, numbers=3)


def _histogram(bars: Bars) -> str:
    rows = [
        (column.values, column.count, "█" * round(column.height * _MOST_BLOCKS / 100) or "▏" * (column.height > 0))
        for column in bars.columns
    ]
    return table((bars.measure, "texts", ""), rows)


def _breakdown(plots: Sequence[Plot]) -> Iterator[str]:
    for plot in plots:
        yield f"**{escaped(plot.title)}**" + (" (lower is better)" if plot.lower_is_better else "")
        yield _figures("group", plot.rows)


def _example(example: Example, measure: str) -> str:
    """A difference as tools show it: the text as context, the references taken away, the answer put there."""
    texts = [(" ", example.text), *(("-", reference) for reference in example.references)]
    texts += [("+", example.answer)] if example.answer is not None else []
    lines = [(sign, line) for sign, text in texts for line in "".join(span.text for span in text).splitlines() or [""]]
    shown = "\n".join(f"{sign} {line}" for sign, line in lines)
    said = [f"line {example.line}"] if example.line else []
    said += [f"{measure} {example.score}"] if example.score else []
    return "\n\n".join([*([escaped(", ".join(said))] if said else []), block(shown, "diff")])


def _attention(heat_map: HeatMap) -> str:
    return table(("answer", "source", "weight"), heat_map.strongest, numbers=1)


def _origin(page: Page) -> Iterator[str]:
    if page.command or page.signatures or page.fingerprints:
        yield "## Origin"
    if page.command:
        yield block(page.command, "sh")
    for name, value in (*page.signatures, *((f"SHA-256, {name.lower()}", value) for name, value in page.fingerprints)):
        yield f"{escaped(name)}:"
        yield block(value)

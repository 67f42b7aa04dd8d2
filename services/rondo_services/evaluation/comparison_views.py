"""A comparison for people: as a table for terminals, and in Markdown."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .comparison import Comparison, Difference, System
from .measuring import FEWEST_TEXTS
from .pages.measures import MINUS, NONE, measure

SIGNIFICANT = 0.05
_DIFFERENCE = 3  # its column


def table(comparison: Comparison) -> RenderableType:
    """A table for each system; a difference that is significant is green if it is for the better, and red if not."""
    tables = []
    for system in comparison.systems:
        own = Table(
            title=_title(comparison, system),
            title_justify="left",
            box=box.SIMPLE,
            pad_edge=False,
            collapse_padding=True,
        )
        for number, name in enumerate(_head(system)):
            own.add_column(Text(name), justify="right" if number else "left", no_wrap=number == _DIFFERENCE)
        for difference in _shown(system):
            cells = [Text(cell) for cell in _cells(system, difference)]
            cells[_DIFFERENCE].stylize(_style(difference))
            own.add_row(*cells)
        tables.append(own)
    signatures = (f"\n{name}: {signature}" for name, signature in comparison.signatures.items())
    return Group(*tables, Text(_note(comparison) + "".join(signatures)))


def markdown(comparison: Comparison) -> str:
    """A table for each system; a difference that is significant is bold."""
    parts = []
    for system in comparison.systems:
        head = _head(system)
        lines = [
            f"**{_escaped(_title(comparison, system))}**",
            "",
            _row(head),
            _row(["---", *["---:"] * (len(head) - 1)]),
        ]
        for difference in _shown(system):
            cells = [_escaped(cell) for cell in _cells(system, difference)]
            if _is_significant(difference):
                cells[_DIFFERENCE] = f"**{cells[_DIFFERENCE]}**"
            lines.append(_row(cells))
        parts.append("\n".join(lines))
    parts.append(_escaped(_note(comparison)))
    if comparison.signatures:
        parts.append("\n".join(f"- {name}: `{signature}`" for name, signature in comparison.signatures.items()))
    return "\n\n".join(parts) + "\n"


def _title(comparison: Comparison, system: System) -> str:
    return f"{system.name} against {comparison.baseline}: {comparison.task}, {comparison.num_texts:,} texts"


def _shown(system: System) -> list[Difference]:
    return [own for own in system.differences if own.baseline is not None or own.value is not None]


def _head(system: System) -> list[str]:
    """Names of columns; those of the systems are in the title, where there is room for them."""
    tests = ["p (BS)", "p (AR)", *(["McNemar"] if _has_mcnemar(system) else [])]
    return ["", "baseline", "system", "difference [95 %]", *tests]


def _has_mcnemar(system: System) -> bool:
    return any(own.p_mcnemar is not None for own in system.differences)


def _cells(system: System, own: Difference) -> list[str]:
    kind = measure(own.metric)
    difference = _signed(own, own.difference)
    if own.interval is not None:
        low, high = (_signed(own, end) for end in own.interval)
        difference = f"{difference} [{low}, {high}]"
    tests = [own.p_bootstrap, own.p_randomization, *([own.p_mcnemar] if _has_mcnemar(system) else [])]
    return [kind.name, kind.written(own.baseline), kind.written(own.value), difference, *map(_p, tests)]


def _signed(own: Difference, value: float | None) -> str:
    written = measure(own.metric).written(value)
    return written if value is None or written.startswith(MINUS) else f"+{written}"


def _p(value: float | None) -> str:
    if value is None:
        return NONE
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"


def _is_significant(own: Difference) -> bool:
    return own.p_randomization is not None and own.p_randomization < SIGNIFICANT


def _style(own: Difference) -> str:
    kind = measure(own.metric)
    if not _is_significant(own) or not own.difference or (kind.kind == "other" and not kind.lower_is_better):
        return ""
    return "green" if (own.difference < 0) == kind.lower_is_better else "red"


def _note(comparison: Comparison) -> str:
    untested = [own for system in comparison.systems for own in system.differences if own.metric.startswith("distinct")]
    few = comparison.num_texts < FEWEST_TEXTS
    return (
        f"BS: paired bootstrap (Koehn 2004), {comparison.num_resamples:,} resamples; AR: paired approximate "
        f"randomization (Riezler and Maxwell 2005), {comparison.num_trials:,} trials; seed {comparison.seed}. "
        f"p (BS) is sacreBLEU's, in effect one-sided; green, red and bold are p (AR) below {SIGNIFICANT}, which is "
        "two-sided. p is not corrected for the number of comparisons."
        + (f" Of fewer than {FEWEST_TEXTS} texts the bootstrap says nothing." if few else "")
        + (" Distinct-n is not tested: a resample repeats texts, which is what it counts." if untested else "")
    )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;")

"""Contestants that do the same work in turns, each at the batch size that suits it best; medians over the rounds."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.reporting import table


class ContestantFailed(RuntimeError):
    """A contestant could not be started, or failed; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class Run:
    """The whole work once: tokens written, and how long it took."""

    num_tokens: int
    seconds: float

    @property
    def tokens_per_s(self) -> float:
        """Throughput."""
        return self.num_tokens / self.seconds


@dataclass(frozen=True, slots=True)
class Contestant:
    """One that can be run.

    Attributes:
        about: versions, number of parameters and the like.
        run: does the whole work at a batch size.
    """

    name: str
    about: Mapping[str, Any]
    run: Callable[[int], Run]


@dataclass(frozen=True, slots=True)
class Absent:
    """One that can't be run, and why."""

    name: str
    why: str


def _best_batch_size(contestant: Contestant, batch_sizes: Sequence[int]) -> tuple[int, dict[str, float]]:
    """The fastest batch size, and tokens a second by batch size; the very first run only warms up."""
    contestant.run(batch_sizes[0])
    speeds = {size: contestant.run(size).tokens_per_s for size in batch_sizes}
    return max(speeds, key=speeds.__getitem__), {str(size): round(speed, 1) for size, speed in speeds.items()}


def hold(
    entrants: Sequence[Contestant | Absent], batch_sizes: Sequence[int], rounds: int, references: Sequence[str]
) -> list[dict[str, Any]]:
    """A row of plain values for each entrant.

    Args:
        references: names of contestants; each row has the ratio of their tokens a second to its own, the median of
            the rounds' ratios.

    Raises:
        ContestantFailed: one failed after its batch size had been found.
    """
    contestants: list[Contestant] = []
    chosen: dict[str, tuple[int, dict[str, float]]] = {}
    why_not: dict[str, str] = {}
    for entrant in entrants:
        if isinstance(entrant, Absent):
            why_not[entrant.name] = entrant.why
            continue
        try:
            chosen[entrant.name] = _best_batch_size(entrant, batch_sizes)
        except ContestantFailed as error:
            why_not[entrant.name] = str(error)
            continue
        contestants.append(entrant)
        print(f"{entrant.name}: batch size {chosen[entrant.name][0]}", file=sys.stderr)
    runs: dict[str, list[Run]] = {contestant.name: [] for contestant in contestants}
    for number in range(rounds):
        first = number % len(contestants)
        for contestant in (*contestants[first:], *contestants[:first]):
            runs[contestant.name].append(contestant.run(chosen[contestant.name][0]))
        print(f"round {number + 1} of {rounds} done", file=sys.stderr)

    def row(entrant: Contestant | Absent) -> dict[str, Any]:
        if isinstance(entrant, Absent) or entrant.name in why_not:
            return {"name": entrant.name, "not_run": why_not[entrant.name]}
        own = runs[entrant.name]
        batch_size, speeds = chosen[entrant.name]
        return {
            "name": entrant.name,
            "about": dict(entrant.about),
            "batch_size": batch_size,
            "tokens_per_s_by_batch_size": speeds,
            "num_tokens": own[-1].num_tokens,
            "tokens_per_s": round(median(run.tokens_per_s for run in own), 1),
            "ratios": {
                name: round(
                    median(a.tokens_per_s / b.tokens_per_s for a, b in zip(runs[name], own, strict=True)),
                    3,
                )
                for name in references
            },
        }

    return [row(entrant) for entrant in entrants]


def standings(rows: Sequence[Mapping[str, Any]], references: Sequence[str]) -> str:
    """The rows as a table; who was not run says why."""
    titles = ["", "parameters", "batch size", "tokens written", "tokens/s", *(f"{name} / this" for name in references)]

    def cells(row: Mapping[str, Any]) -> list[str]:
        if "not_run" in row:
            return [f"{row['name']} (not run: {row['not_run']})", *("–" for _ in titles[1:])]
        return [
            row["name"],
            f"{row['about']['num_parameters'] / 1e6:.1f} M",
            str(row["batch_size"]),
            str(row["num_tokens"]),
            f"{row['tokens_per_s']:.0f}",
            *(f"{row['ratios'][name]:.2f}" for name in references),
        ]

    return table(titles, [cells(row) for row in rows])

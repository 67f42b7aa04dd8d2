"""What a started `rondo serve` does under strain, over HTTP, beside the bounds that it is to keep.

    python benchmarks/bounds.py [--rounds 3] [--parts first-token,token-gaps]

Time to the first token of a long prompt, new and repeated; speed and memory of very many open streams; time between
tokens while long inputs keep arriving; what becomes of requests when ten times too many come. Each part has a server of
its own in each round; figures are medians over the rounds. The last line is the whole result as JSON.
"""

import json
import os
import resource
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.first_token import FirstToken, measure_first_token
from benchmarks.long_texts import LongTexts
from benchmarks.open_streams import OpenStreams, endless_prompts, measure_open_streams
from benchmarks.overload import ANSWERED, REFUSED, Overload, measure_overload
from benchmarks.places import DEFAULT_BUNDLE
from benchmarks.processes import HOST, ServerProcess, free_port
from benchmarks.reporting import (
    THREADS,
    Bound,
    bounds_table,
    bundle_line,
    describe_bundle,
    describe_machine,
    machine_line,
    table,
)
from benchmarks.servers import RONDO
from benchmarks.texts import ENGLISH, GERMAN, KOREAN
from benchmarks.token_gaps import TokenGaps, measure_token_gaps
from rondo_tokenizers.vocabulary import Tokenizer

_PROMPT_TOKENS = 2000
_INPUT_TOKENS = 5000
_OVERLOAD_TIMES = 10.0
_OVERLOADED = ("translation", "sentiment")
"""Of the cheapest service ten times what can be answered is more than one machine can send beside the server."""
_BEGINNING_WORDS = 4
_FILES_BESIDE_STREAMS = 512
_LONG_TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured in a round; the options of the command line say what each means."""

    prompts: int
    streams: int
    stream_tokens: int
    seconds: float
    overload_seconds: float
    connections: int


class Parts:
    """The parts of the benchmark, each as a function that runs one round of it."""

    def __init__(self, bundle: Path, plan: Plan) -> None:
        self._bundle = bundle
        self._plan = plan
        self._texts = LongTexts(Tokenizer.load(bundle / "tokenizer.model"), seed=1)
        self._endless: list[str] = []

    def _server(self, services: str, **settings: int) -> ServerProcess:
        """`rondo serve` with RONDO_ settings."""
        port = free_port()
        command = [str(Path(sys.executable).with_name("rondo")), "serve", "--bundle", str(self._bundle)]
        command += ["--host", HOST, "--port", str(port), "--services", services]
        environment = {f"RONDO_{name.upper()}": str(value) for name, value in settings.items()}
        return ServerProcess(RONDO, command, port, {"RONDO_THREADS": str(THREADS), **environment})

    def _prompts(self) -> list[str]:
        """Beginnings of texts after which the model writes on, found once by a server that then ends."""
        if not self._endless:
            beginnings = [" ".join(text.split()[:_BEGINNING_WORDS]) for text in (*ENGLISH, *GERMAN, *KOREAN)]
            with self._server("generation") as server:
                self._endless = endless_prompts(server, beginnings, self._plan.stream_tokens)
        return self._endless

    def first_token(self) -> FirstToken:
        """Long prompts, each sent twice."""
        prompts = [self._texts.draw(_PROMPT_TOKENS) for _ in range(self._plan.prompts + 1)]
        with self._server("generation") as server:
            return measure_first_token(server, prompts)

    def open_streams(self) -> OpenStreams:
        """All streams at once."""
        plan, prompts = self._plan, self._prompts()
        rows = max(1024, plan.streams)
        with self._server("generation", max_rows=rows, max_waiting=4 * rows, timeout_s=_LONG_TIMEOUT_S) as server:
            return measure_open_streams(server, prompts, plan.streams, plan.stream_tokens)

    def token_gaps(self) -> TokenGaps:
        """A few streams, alone and among long inputs."""
        prompts = self._prompts()
        with self._server("generation,sentiment,summarization") as server:
            return measure_token_gaps(server, prompts, self._plan.seconds, lambda: self._texts.draw(_INPUT_TOKENS))

    def overload(self, service: str) -> Overload:
        """Ten times as much as can be answered."""
        plan = self._plan
        with self._server(service) as server:
            return measure_overload(
                server, service, plan.seconds, _OVERLOAD_TIMES, plan.connections, plan.overload_seconds
            )


_PARTS: Mapping[str, Callable[[Parts], Any]] = {
    "first-token": Parts.first_token,
    "open-streams": Parts.open_streams,
    "token-gaps": Parts.token_gaps,
    **{f"overload-{service}": partial(Parts.overload, service=service) for service in _OVERLOADED},
}


def _allow_files(count: int) -> None:
    """Raise the limit of open files, which the servers inherit.

    Raises:
        ValueError: so many are not allowed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def _summary(rounds: Sequence[Any]) -> dict[str, Any]:
    """Medians over the rounds of what is a number; replies are added up."""
    figures = [asdict(found) for found in rounds]
    summary: dict[str, Any] = {}
    for name, value in figures[0].items():
        if isinstance(value, Mapping):
            total: Counter[str] = Counter()
            for own in figures:
                total.update(own[name])
            summary[name] = dict(sorted(total.items()))
        else:
            summary[name] = round(median(own[name] for own in figures), 4)
    return summary


def _bounds(figures: Mapping[str, Mapping[str, Any]], plan: Plan) -> Iterator[Bound]:
    """The bounds of the parts that were measured."""
    if (first := figures.get("first-token")) is not None:
        yield Bound("time to first token of a known prompt over that of a new one", first["ratio"], most=0.05)
    if (streams := figures.get("open-streams")) is not None:
        yield Bound(f"of {plan.streams} streams, not open at once", plan.streams - streams["num_open"], most=0)
        yield Bound("resident KB a stream beyond the first", streams["kb_per_stream"], most=64)
    if (gaps := figures.get("token-gaps")) is not None:
        yield Bound("p99 between tokens among long inputs over p50 without", gaps["ratio"], most=8)
    for service in _OVERLOADED:
        if (overload := figures.get(f"overload-{service}")) is not None:
            yield Bound(f"{service}: p99 ms of a 429 in overload", overload["refused_p99_ms"], most=50)
            others = sum(count for status, count in overload["replies"].items() if status not in (ANSWERED, REFUSED))
            yield Bound(f"{service}: replies in overload that are neither 200 nor 429", others, most=0)
            yield Bound(f"{service}: requests in overload without a reply", overload["num_lost"], most=0)
            growth = overload["resident_late_mb"] / overload["resident_early_mb"]
            yield Bound(f"{service}: resident memory late in the overload over early in it", growth, most=1.02)


def measure(bundle: Path, parts: Sequence[str], plan: Plan, rounds: int) -> dict[str, Any]:
    """The whole benchmark; the result is plain values."""
    machine = describe_machine()
    runs = Parts(bundle, plan)
    found: dict[str, list[Any]] = {part: [] for part in parts}
    for number in range(rounds):
        for part in parts:
            found[part].append(_PARTS[part](runs))
            print(f"round {number + 1} of {rounds}, {part}: {found[part][-1]}", file=sys.stderr)
    machine["load_average_after"] = os.getloadavg()[0]
    figures = {part: _summary(own) for part, own in found.items()}
    return {
        "benchmark": "bounds",
        "machine": machine,
        "bundle": describe_bundle(bundle),
        "rounds": rounds,
        "plan": asdict(plan),
        "figures": figures,
        "bounds": [bound.plain() for bound in _bounds(figures, plan)],
    }


def report(result: dict[str, Any]) -> str:
    """The tables for people."""
    figures = [
        [f"{part}: {name.replace('_', ' ')}", f"{value:g}"]
        for part, own in result["figures"].items()
        for name, value in own.items()
        if not isinstance(value, Mapping)
    ]
    lines = [
        machine_line(result["machine"]),
        f"{bundle_line(result['bundle'])}, {result['rounds']} rounds; "
        + ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in result["plan"].items()),
        "",
        table(["figure", "median of the rounds"], figures),
    ]
    for service in _OVERLOADED:
        if (overload := result["figures"].get(f"overload-{service}")) is not None:
            replies = ", ".join(f"{count} with {status}" for status, count in overload["replies"].items())
            lines += ["", f"Replies of {service} in overload, all rounds: {replies}"]
    lines += ["", bounds_table(result["bounds"])]
    return "\n".join(lines)


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")] = DEFAULT_BUNDLE,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 3,
    parts: Annotated[str, typer.Option(help="Comma-separated.")] = ",".join(_PARTS),
    prompts: Annotated[int, typer.Option(min=1, max=200, help="Long prompts a round, each sent twice.")] = 5,
    streams: Annotated[int, typer.Option(min=2, max=8000, help="Streams at once.")] = 1000,
    stream_tokens: Annotated[int, typer.Option(min=16, max=2048, help="Tokens that each of them writes.")] = 2000,
    seconds: Annotated[float, typer.Option(min=0.5, max=60, help="Each phase of token-gaps, and of capacity.")] = 5.0,
    overload_seconds: Annotated[float, typer.Option(min=1, max=600, help="How long too much is offered.")] = 60.0,
    connections: Annotated[int, typer.Option(min=64, max=8000, help="Of the overload.")] = 4096,
) -> None:
    """Measure what the server keeps to under strain: tables, then one line of JSON."""
    plan = Plan(prompts, streams, stream_tokens, seconds, overload_seconds, connections)
    chosen = [name.strip() for name in parts.split(",")]
    if unknown := set(chosen) - _PARTS.keys():
        raise typer.BadParameter(f"no part {', '.join(sorted(unknown))}; choose among {', '.join(_PARTS)}")
    try:
        _allow_files(max(streams, connections) + _FILES_BESIDE_STREAMS)
    except ValueError as error:
        raise typer.BadParameter(f"more open files are needed than the system allows: {error}") from error
    result = measure(bundle, chosen, plan, rounds)
    print(report(result))
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    typer.run(main)

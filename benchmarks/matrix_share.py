"""What part of the engine's time its matrix products would take at this machine's peak: reading and writing, saturated.

    python benchmarks/matrix_share.py [--rounds 3] [--seconds 2]

In this process, on one thread, with the executor that is served. Encoding is `Executor.encode` over batches of texts
of like length, from ids to outputs. Decoding is the engine's steps with all rows taken, greedy: products, attention,
choice of tokens and the bookkeeping of the searches, but not the reading in between.

A share is the time that the products of the work would take as bare products of the same shapes, over the time that
the work took. Every product of two matrices is counted: LSTM layers, queries, combination, projection, output layer.
Attention multiplies a vector with a matrix of its own for each row; it is part of the time, not of the products. Rows
that only fill up tiles or batches are no work.

The bare products are made in the same round by three means. The bounds are judged by our own kernel, with as many
bfloat16 parts as in the work (two for a float32 number: three products of parts for one, and two where only the
weights have two), which is the fastest here that keeps 16 bits; it also writes the scores of the output layer, which
the work never does. PyTorch in float32 is slower, so that its share may be above one; PyTorch in bfloat16 multiplies
once and keeps 8 bits. In small batches a share may be above one too: the work reads the inputs of many steps in one
product, and is counted step by step. Where kernels screen the columns of the output layer by products of bytes
(`native/screening.h`), it is counted as the products of 16-bit integers that it stands for, so that it may take less
time than its products. The last line is the whole result as JSON.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import torch
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.bare_products import MEANS, OURS, BareProducts
from benchmarks.counted_kernels import CountedKernels, counted_kernels
from benchmarks.places import DEFAULT_BUNDLE
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
from benchmarks.saturation import Saturated, batches_of_like_length, read, write
from benchmarks.workloads import TEXTS
from rondo_models.bundle import Bundle, load_bundle
from rondo_models.decoding.parameters import BeamParameters, SamplingParameters
from rondo_services.engine.requests import Generate, Search, Work
from rondo_tokenizers.normalization import compose
from rondo_tokenizers.vocabulary import Tokenizer

ENCODE = "encode"
TRANSLATION, SUMMARIZATION, GENERATION = "decode translations", "decode summaries", "decode generated text"
_LEAST = {ENCODE: 0.5, TRANSLATION: 0.35, SUMMARIZATION: 0.35, GENERATION: 0.35}
_READ_SERVICES = ("sentiment", "translation", "summarization")
_NUM_TEXTS = 2048
_GENERATED_TOKENS = 64
_OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured in a round.

    Attributes:
        batch_size: texts that are read together.
        rows: written at the same time.
        seconds: of each kind of work.
    """

    batch_size: int
    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Share:
    """One round of one kind of work.

    Attributes:
        bare_s: what the products would take at the peak, by means and by kernel.
    """

    work: Saturated
    bare_s: Mapping[str, Mapping[str, float]]

    def of_wall(self, means: str) -> float:
        """Of the time on the clock."""
        return sum(self.bare_s[means].values()) / self.work.spent.wall_s

    def of_cpu(self, means: str) -> float:
        """Of the thread's processor time."""
        return sum(self.bare_s[means].values()) / self.work.spent.cpu_s

    def by_kernel(self) -> dict[str, tuple[float, float]]:
        """Of the time on the clock: what each kernel takes, and what its products would; last what is outside."""
        wall_s, bare_s = self.work.spent.wall_s, self.bare_s[OURS]
        parts = {
            name: (seconds / wall_s, bare_s.get(name, 0.0) / wall_s)
            for name, seconds in sorted(self.work.kernel_s.items(), key=lambda item: -item[1])
        }
        return {**parts, _OUTSIDE: (1 - sum(self.work.kernel_s.values()) / wall_s, 0.0)}


def _ids(tokenizer: Tokenizer, services: Sequence[str]) -> list[tuple[int, ...]]:
    return [tuple(tokenizer.encode(compose(text))) for service in services for text in TEXTS[service]]


def _kinds(bundle: Bundle, tokenizer: Tokenizer, plan: Plan) -> dict[str, Callable[[CountedKernels], Saturated]]:
    """What is measured, each as a function that does it once."""
    model, forbidden = bundle.model, tokenizer.never_written
    texts = [(*ids, tokenizer.end_id) for ids in _ids(tokenizer, _READ_SERVICES)]
    batches = batches_of_like_length(list(islice(cycle(texts), _NUM_TEXTS)), plan.batch_size)
    prompts = [(tokenizer.start_id, *ids) for ids in _ids(tokenizer, ["generation"])]
    sampling = SamplingParameters(max_tokens=_GENERATED_TOKENS, temperature=0.0)
    streams = [Generate("generation", ids, sampling) for ids in prompts]

    def searches(service: str, first_id: int) -> list[Search]:
        greedy = BeamParameters(beam_size=1)
        return [Search(service, (*ids, tokenizer.end_id), first_id, greedy) for ids in _ids(tokenizer, [service])]

    def reads(kernels: CountedKernels) -> Saturated:
        return read(kernels, model, forbidden, batches, plan.seconds)

    def writes(kernels: CountedKernels, works: Sequence[Work]) -> Saturated:
        return write(kernels, model, tokenizer, works, plan.rows, plan.seconds)

    return {
        ENCODE: reads,
        TRANSLATION: partial(writes, works=searches("translation", tokenizer.target_ids["en"])),
        SUMMARIZATION: partial(writes, works=searches("summarization", tokenizer.summary_id)),
        GENERATION: partial(writes, works=streams),
    }


def _summary(rounds: Sequence[Share]) -> dict[str, Any]:
    """Medians over the rounds."""

    def middle(figure: Callable[[Share], float], digits: int = 3) -> float:
        return round(median(map(figure, rounds)), digits)

    by_kernel = [share.by_kernel() for share in rounds]
    return {
        "tokens_per_s": middle(lambda share: share.work.num_tokens / share.work.spent.wall_s, 0),
        "cpu_share": middle(lambda share: share.work.spent.cpu_s / share.work.spent.wall_s),
        "of_wall": {means: middle(partial(Share.of_wall, means=means)) for means in MEANS},
        "of_cpu": {means: middle(partial(Share.of_cpu, means=means)) for means in MEANS},
        "by_kernel": {
            name: {
                "takes": round(median(own[name][0] for own in by_kernel), 3),
                "products": round(median(own[name][1] for own in by_kernel), 3),
            }
            for name in by_kernel[0]
        },
    }


def _bounds(figures: Mapping[str, Mapping[str, Any]]) -> Iterator[Bound]:
    """Of the engine's wall time, and of its processor time, which others on the machine hardly lengthen."""
    for kind, least in _LEAST.items():
        for of, word in (("of_wall", "wall"), ("of_cpu", "processor")):
            yield Bound(f"{kind}: share of products in {word} time", figures[kind][of][OURS], least=least)


def measure(folder: Path, plan: Plan, rounds: int) -> dict[str, Any]:
    """The whole benchmark; the result is plain values.

    Raises:
        RuntimeError: there are no compiled kernels for this processor.
    """
    machine = describe_machine()
    torch.set_num_threads(THREADS)
    bundle = load_bundle(folder)
    found: dict[str, list[Share]] = {}
    with torch.inference_mode(), counted_kernels() as kernels:
        bare = BareProducts(kernels)
        for number in range(rounds):
            for kind, run in _kinds(bundle, Tokenizer(bundle.tokenizer), plan).items():
                work = run(kernels)
                share = Share(work, {means: bare.seconds_by_kernel(work.products, means) for means in MEANS})
                found.setdefault(kind, []).append(share)
                print(f"round {number + 1} of {rounds}, {kind}: {share.of_wall(OURS):.3f}", file=sys.stderr)
    machine["load_average_after"] = os.getloadavg()[0]
    figures = {kind: _summary(shares) for kind, shares in found.items()}
    return {
        "benchmark": "matrix_share",
        "machine": machine,
        "bundle": describe_bundle(folder),
        "rounds": rounds,
        "plan": asdict(plan),
        "figures": figures,
        "bounds": [bound.plain() for bound in _bounds(figures)],
    }


def report(result: dict[str, Any]) -> str:
    """The tables for people."""
    figures, plan = result["figures"], result["plan"]
    shares = [
        [
            kind,
            f"{own['tokens_per_s']:.0f}",
            f"{own['cpu_share']:.2f}",
            *(f"{own[of][means]:.3f}" for means in MEANS for of in ("of_wall", "of_cpu")),
        ]
        for kind, own in figures.items()
    ]
    kernels = [
        [kind, name, f"{part['takes']:.3f}", f"{part['products']:.3f}"]
        for kind, own in figures.items()
        for name, part in own["by_kernel"].items()
    ]
    lines = [
        machine_line(result["machine"]),
        f"{bundle_line(result['bundle'])}, {result['rounds']} rounds of {plan['seconds']:g} s each; "
        f"{plan['batch_size']} texts are read together, {plan['rows']} rows are written together",
        "",
        "Time of the products at the peak over the time of the work, by wall time and by processor time of the thread;",
        "medians over the rounds. The peak is that of our own kernel, of PyTorch in float32 and in bfloat16.",
        "",
        table(
            ["", "tokens/s", "CPU/wall", *(f"{means}, {of}" for means in MEANS for of in ("wall", "CPU"))],
            shares,
        ),
        "",
        "Where the wall time goes: what each kernel takes, and of that its products by our own kernel.",
        "",
        table(["", "kernel", "takes", "products"], kernels),
        "",
        bounds_table(result["bounds"]),
    ]
    return "\n".join(lines)


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")] = DEFAULT_BUNDLE,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 3,
    seconds: Annotated[float, typer.Option(min=0.2, max=60, help="Measured of each kind of work.")] = 2.0,
    batch_size: Annotated[int, typer.Option(min=16, max=1024, help="Texts that are read together.")] = 256,
    rows: Annotated[int, typer.Option(min=16, max=1024, help="Written at the same time.")] = 256,
) -> None:
    """Measure the share of matrix products: tables, then one line of JSON."""
    try:
        result = measure(bundle, Plan(batch_size, rows, seconds), rounds)
    except RuntimeError as error:
        raise SystemExit(str(error)) from error
    print(report(result))
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    typer.run(main)

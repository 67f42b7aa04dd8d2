"""Tokens a second of many streams written at once, greedy: Rondo's engine and GPT-2 under Transformers' `generate`.

    python benchmarks/offline_generation.py [--rounds 3] [--data FILE]

Rondo has the bundle's weights; the GPT-2 has random ones, about as many parameters as Rondo uses to write (embedding,
forward stack, language model head), our vocabulary and our prompts. It has no end symbol, so prompts are taken after
which Rondo does not end either: all streams are equally long. Each contestant first runs with each batch size, and goes
on with its fastest; then all run in turns, one thread each. The last line is the whole result as JSON.
"""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.contest import Absent, Contestant, hold, standings
from benchmarks.engine_contestant import EngineContestant
from benchmarks.peers import peer
from benchmarks.places import DEFAULT_BUNDLE
from benchmarks.reporting import THREADS, bundle_line, describe_bundle, describe_machine, machine_line
from benchmarks.workloads import workload
from rondo_models.bundle import Bundle, load_bundle
from rondo_models.decoding.parameters import SamplingParameters
from rondo_services.engine.requests import Generate
from rondo_services.local import load_suite
from rondo_tokenizers.normalization import compose
from rondo_tokenizers.vocabulary import Tokenizer

_RONDO = "rondo"
_PRECISIONS = ("float32", "bfloat16")


def _num_writing_parameters(bundle: Bundle) -> int:
    """Parameters that take part in writing: the backward stack and what goes with it only read or train."""
    backbone, head = bundle.model.backbone, bundle.model.language_model("generation")
    parts = [*backbone.embedding.parameters(), *backbone.forward_stack.parameters()]
    parts += [parameter for name, parameter in head.named_parameters() if not name.startswith("backward_")]
    return sum(parameter.numel() for parameter in parts)


def _endless(bundle: Path, works: Sequence[Generate], count: int) -> list[Generate]:
    """So many of those that the model does not end before their last token, in turns.

    Raises:
        ValueError: there is none.
    """
    with closing(load_suite(bundle, num_threads=THREADS)) as suite:
        answers = suite.run_blocking(works)
    kept = [work for work, answer in zip(works, answers, strict=True) if answer.finish_reason == "length"]
    if not kept:
        raise ValueError(f"the model ends all texts before {works[0].parameters.max_tokens} tokens")
    return list(islice(cycle(kept), count))


def measure(
    bundle: Path, prompts: Sequence[str], num_streams: int, max_tokens: int, batch_sizes: Sequence[int], rounds: int
) -> dict[str, Any]:
    """The whole benchmark; the result is plain values."""
    machine = describe_machine()
    torch.set_num_threads(THREADS)
    model = load_bundle(bundle)
    tokenizer = Tokenizer(model.tokenizer)
    parameters = SamplingParameters(max_tokens=max_tokens, temperature=0.0)
    works = _endless(
        bundle,
        [Generate("generation", (tokenizer.start_id, *tokenizer.encode(compose(p))), parameters) for p in prompts],
        num_streams,
    )
    num_parameters = _num_writing_parameters(model)
    backbone = model.model.backbone.config
    job = {
        "prompts": [list(work.ids) for work in works],
        "max_tokens": max_tokens,
        "num_parameters": num_parameters,
        "shape": {
            "vocabulary_size": backbone.vocabulary_size,
            "size": backbone.embedding_size,
            "pad_id": backbone.pad_id,
        },
    }
    with ExitStack() as stack:
        engine = stack.enter_context(closing(EngineContestant(bundle, works)))
        entrants: list[Contestant | Absent] = [Contestant(_RONDO, {"num_parameters": num_parameters}, engine.run)]
        entrants += [
            peer(stack, f"GPT-2 {precision}, generate", "peer_gpt2.py", {**job, "precision": precision})
            for precision in _PRECISIONS
        ]
        rows = hold(entrants, batch_sizes, rounds, (_RONDO,))
    machine["load_average_after"] = os.getloadavg()[0]
    return {
        "benchmark": "offline_generation",
        "machine": machine,
        "bundle": describe_bundle(bundle),
        "rounds": rounds,
        "streams": len(works),
        "max_tokens": max_tokens,
        "rows": rows,
    }


def report(result: dict[str, Any]) -> str:
    """The table for people."""
    about = [row["about"] for row in result["rows"] if "versions" in row.get("about", {})]
    lines = [
        machine_line(result["machine"]),
        f"{bundle_line(result['bundle'])}, {result['streams']} streams of at most {result['max_tokens']} tokens, "
        f"{result['rounds']} rounds",
        *(
            f"GPT-2 {peer['precision']}: {peer['shape']['layers']} layers of {peer['shape']['size']}, "
            f"transformers {peer['versions']['transformers']}, torch {peer['versions']['torch']}"
            for peer in about
        ),
        "",
        "Medians over the rounds, each at its best batch size; a ratio is the median of the rounds' ratios.",
        "",
        standings(result["rows"], (_RONDO,)),
    ]
    return "\n".join(lines)


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")] = DEFAULT_BUNDLE,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 3,
    data: Annotated[Path | None, typer.Option(help="File with one prompt a line.")] = None,
    streams: Annotated[int, typer.Option(min=1, help="Prompts are repeated in turns.")] = 256,
    max_tokens: Annotated[int, typer.Option(min=1, max=512)] = 64,
    batch_sizes: Annotated[str, typer.Option(help="Tried by each contestant, comma-separated.")] = "64,128,256",
) -> None:
    """Compare offline generation: a table, then one line of JSON."""
    try:
        prompts = workload("generation", data).texts
        sizes = [int(size) for size in batch_sizes.split(",")]
        if min(sizes) < 1:
            raise ValueError("--batch-sizes takes positive numbers")
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    result = measure(bundle, prompts, streams, max_tokens, sizes, rounds)
    print(report(result))
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    typer.run(main)

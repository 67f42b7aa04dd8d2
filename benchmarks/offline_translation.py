"""German → English tokens a second, greedy, of Rondo's engine, a plain loop, CTranslate2 and JoeyNMT; one thread each.

    python benchmarks/offline_translation.py [--rounds 3] [--data FILE]

All sentences are there from the start, as ids; tokenization is not measured. Rondo and the plain loop have the
bundle's weights and write what they translate. The peers have random weights, and are made to write as much as Rondo
does from as many source tokens (`forced_lengths.py`). Tokens are counted with the end symbol. An OPUS-MT vocabulary has
longer pieces than ours, so a token of it is somewhat more text. Each contestant first runs with each batch size, and
goes on with its fastest; then all run in turns. The last line is the whole result as JSON.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.contest import Absent, Contestant, hold, standings
from benchmarks.engine_contestant import EngineContestant
from benchmarks.peers import peer
from benchmarks.places import DEFAULT_BUNDLE, SENTENCES
from benchmarks.plain_loop import PlainLoop
from benchmarks.reporting import THREADS, bundle_line, describe_bundle, describe_machine, machine_line
from rondo_models.bundle import Bundle, load_bundle
from rondo_models.decoding.parameters import BeamParameters
from rondo_services.engine.requests import Search
from rondo_tokenizers.normalization import compose
from rondo_tokenizers.vocabulary import Tokenizer

_FAST, _FLOAT32 = "rondo", "rondo float32"
_REFERENCES = (_FAST, _FLOAT32)
_OPUS = {"layers": 6, "size": 512, "feed_forward_size": 2048, "heads": 8, "vocabulary_size": 58_101}
_SMALL = {"layers": 3, "size": 256, "feed_forward_size": 1024, "heads": 4}


def _sentences(data: Path | None) -> list[str]:
    """The German test sentences, and the lines of `data`."""
    pairs = (line.split("\t") for line in SENTENCES.read_text(encoding="utf-8").splitlines())
    own = [] if data is None else data.read_text(encoding="utf-8").splitlines()
    return [*(text for language, text in pairs if language == "de"), *(line for line in own if line.strip())]


def _searches(tokenizer: Tokenizer, sentences: Iterable[str]) -> list[Search]:
    """What is to be done, the longest sentence first."""
    first_id = tokenizer.target_ids["en"]
    sources = ((*tokenizer.encode(compose(sentence)), tokenizer.end_id) for sentence in sentences)
    parameters = BeamParameters(beam_size=1)
    ordered = sorted(sources, key=len, reverse=True)
    return [Search("translation", ids, first_id, parameters) for ids in ordered]


def _about_ours(bundle: Bundle) -> dict[str, Any]:
    parts = chain(bundle.model.backbone.parameters(), bundle.model.seq2seq("translation").parameters())
    return {"num_parameters": sum(parameter.numel() for parameter in parts)}


def _peers(stack: ExitStack, bundle: Path, model: Bundle, lengths: dict[str, list[int]]) -> list[Contestant | Absent]:
    backbone = model.model.backbone.config
    sentencepiece_model = str((bundle / "tokenizer.model").resolve())
    transformers = {
        "CTranslate2 int8, OPUS-MT's shape (6+6 layers of 512)": _OPUS,
        "CTranslate2 int8, 3+3 layers of 256": {**_SMALL, "vocabulary_size": backbone.vocabulary_size},
    }
    recurrent = {
        "cell": backbone.cell,
        "vocabulary_size": backbone.vocabulary_size,
        "embedding_size": backbone.embedding_size,
        "hidden_size": backbone.hidden_size,
        "encoder_layers": backbone.num_layers,
        "decoder_layers": backbone.num_layers + 1,
    }
    return [
        *(
            peer(
                stack,
                name,
                "peer_ctranslate2.py",
                {**lengths, "shape": shape, "sentencepiece_model": sentencepiece_model},
            )
            for name, shape in transformers.items()
        ),
        peer(stack, "JoeyNMT float32, recurrent, our sizes", "peer_joeynmt.py", {**lengths, "shape": recurrent}),
    ]


def measure(bundle: Path, sentences: Sequence[str], batch_sizes: Sequence[int], rounds: int) -> dict[str, Any]:
    """The whole benchmark; the result is plain values."""
    machine = describe_machine()
    torch.set_num_threads(THREADS)
    model = load_bundle(bundle)
    tokenizer = Tokenizer(model.tokenizer)
    works = _searches(tokenizer, sentences)
    about = _about_ours(model)
    with ExitStack() as stack:
        fast = stack.enter_context(closing(EngineContestant(bundle, works)))
        float32 = stack.enter_context(closing(EngineContestant(bundle, works, "float32")))
        lengths = {
            "source_lengths": [len(work.ids) for work in works],
            "target_lengths": fast.lengths(batch_sizes[0]),
        }
        entrants = [
            Contestant(_FAST, {**about, "precision": "as served"}, fast.run),
            Contestant(_FLOAT32, {**about, "precision": "float32"}, float32.run),
            Contestant("plain loop float32", {**about, "precision": "float32"}, PlainLoop(model, tokenizer, works).run),
            *_peers(stack, bundle, model, lengths),
        ]
        rows = hold(entrants, batch_sizes, rounds, _REFERENCES)
    machine["load_average_after"] = os.getloadavg()[0]
    return {
        "benchmark": "offline_translation",
        "machine": machine,
        "bundle": describe_bundle(bundle),
        "rounds": rounds,
        "num_sentences": len(sentences),
        "num_source_tokens": sum(lengths["source_lengths"]),
        "rows": rows,
    }


def report(result: dict[str, Any]) -> str:
    """The table for people."""
    versions = {
        name: number
        for row in result["rows"]
        for name, number in row.get("about", {}).get("versions", {}).items()
        if name != "torch"
    }
    lines = [
        machine_line(result["machine"]),
        f"{bundle_line(result['bundle'])}, {result['num_sentences']} sentences of "
        f"{result['num_source_tokens'] / result['num_sentences']:.1f} tokens, {result['rounds']} rounds",
        ", ".join(f"{name} {number}" for name, number in versions.items()),
        "",
        "Medians over the rounds, each at its best batch size; a ratio is the median of the rounds' ratios.",
        "",
        standings(result["rows"], _REFERENCES),
    ]
    return "\n".join(lines)


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")] = DEFAULT_BUNDLE,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 3,
    data: Annotated[Path | None, typer.Option(help="File with one German sentence a line, added to ours.")] = None,
    sentences: Annotated[int, typer.Option(min=1, help="At least so many; they are repeated in turns.")] = 1024,
    batch_sizes: Annotated[str, typer.Option(help="Tried by each contestant, comma-separated.")] = "64,256,1024",
) -> None:
    """Compare offline translation: a table, then one line of JSON."""
    try:
        known = _sentences(data)
        sizes = [int(size) for size in batch_sizes.split(",")]
        if min(sizes) < 1:
            raise ValueError("--batch-sizes takes positive numbers")
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    result = measure(bundle, list(islice(cycle(known), max(sentences, len(known)))), sizes, rounds)
    print(report(result))
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    typer.run(main)

"""JoeyNMT's recurrent encoder-decoder with random weights, float32 on one thread. A peer of `offline_translation.py`.

The sizes are those of our bundle. JoeyNMT shares the embedding with the output layer only where it is as wide as the
decoder, which ours is not, so its output layer has weights of its own.
"""

import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from joeynmt.model import build_model  # type: ignore[import-not-found]
from joeynmt.search import greedy  # type: ignore[import-not-found]
from joeynmt.vocabulary import Vocabulary  # type: ignore[import-not-found]

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.forced_lengths import ForcedBatch, forced_batches
from benchmarks.peer_side import Write, answer_jobs

_SEED = 1
_SPECIALS = {"unk": 0, "pad": 1, "bos": 2, "eos": 3}


def _vocabulary(size: int) -> Any:
    symbols = SimpleNamespace(sep_token=None, sep_id=None, lang_tags=[])
    for name, identifier in _SPECIALS.items():
        setattr(symbols, f"{name}_token", f"<{name}>")
        setattr(symbols, f"{name}_id", identifier)
    return Vocabulary([f"t{number}" for number in range(size - len(_SPECIALS))], symbols)


def _model(shape: dict[str, Any]) -> Any:
    vocabulary = _vocabulary(shape["vocabulary_size"])
    stack = {"type": "recurrent", "rnn_type": shape["cell"], "hidden_size": shape["hidden_size"]}
    embeddings = {"embeddings": {"embedding_dim": shape["embedding_size"], "scale": True}}
    config = {
        "encoder": {**stack, **embeddings, "num_layers": shape["encoder_layers"], "bidirectional": True},
        "decoder": {
            **stack,
            **embeddings,
            "num_layers": shape["decoder_layers"],
            "attention": "luong",
            "input_feeding": False,
            "init_hidden": "zeros",
        },
        "tied_embeddings": True,
    }
    return build_model(config, src_vocab=vocabulary, trg_vocab=vocabulary).eval()


def prepare(job: dict[str, Any]) -> tuple[dict[str, Any], Write]:
    """Build the model of `job["shape"]`."""
    torch.set_num_threads(1)
    torch.manual_seed(_SEED)
    shape = job["shape"]
    model = _model(shape)

    def batch_tokens(batch: ForcedBatch) -> int:
        lengths = torch.tensor(batch.source_lengths)
        longest = int(lengths.max())
        ids = torch.randint(len(_SPECIALS), shape["vocabulary_size"], (len(lengths), longest))
        mask = (torch.arange(longest) < lengths[:, None])[:, None]  # (batch, 1, source)
        ids.masked_fill_(~mask[:, 0], _SPECIALS["pad"])
        outputs, hidden, _, _ = model(return_type="encode", src=ids, src_length=lengths, src_mask=mask)
        written, _, _ = greedy(mask, batch.target_length, model, outputs, hidden, min_output_length=batch.target_length)
        return int(written.numel())

    @torch.inference_mode()
    def write(batch_size: int) -> int:
        return sum(map(batch_tokens, forced_batches(job["source_lengths"], job["target_lengths"], batch_size)))

    return {
        "versions": {name: version(name) for name in ("joeynmt", "torch")},
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "precision": "float32",
        "shape": shape,
    }, write


if __name__ == "__main__":
    answer_jobs(prepare)

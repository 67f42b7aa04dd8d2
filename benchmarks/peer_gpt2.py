"""A GPT-2 of random weights under Transformers' `generate`, on one thread. A peer of `offline_generation.py`.

It has as many layers as bring it nearest to the wanted number of parameters. It has no end symbol, so each prompt is
gone on from to the full length.
"""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers  # type: ignore[import-not-found]

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peer_side import Write, answer_jobs

_SEED = 1
_HEAD_SIZE = 64


def _model(shape: dict[str, int], longest: int, num_layers: int) -> Any:
    config = transformers.GPT2Config(
        vocab_size=shape["vocabulary_size"],
        n_positions=longest,
        n_embd=shape["size"],
        n_layer=num_layers,
        n_head=shape["size"] // _HEAD_SIZE,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=shape["pad_id"],
    )
    return transformers.GPT2LMHeadModel(config).eval()


def _num_parameters(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def prepare(job: dict[str, Any]) -> tuple[dict[str, Any], Write]:
    """Build a model of about `job["num_parameters"]` parameters in `job["precision"]`."""
    torch.set_num_threads(1)
    transformers.set_seed(_SEED)
    shape, prompts, max_tokens = job["shape"], job["prompts"], job["max_tokens"]
    longest = max(map(len, prompts)) + max_tokens
    outside, with_one = (_num_parameters(_model(shape, longest, layers)) for layers in (0, 1))
    num_layers = max(1, round((job["num_parameters"] - outside) / (with_one - outside)))
    model = _model(shape, longest, num_layers).to(getattr(torch, job["precision"]))

    def batch_tokens(part: list[list[int]]) -> int:
        width = max(map(len, part))
        ids = torch.tensor([[shape["pad_id"]] * (width - len(prompt)) + prompt for prompt in part])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in part])
        written = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=max_tokens, do_sample=False, use_cache=True
        )
        return int((written.shape[1] - width) * len(part))

    @torch.inference_mode()
    def write(batch_size: int) -> int:
        ordered = sorted(prompts, key=len)
        return sum(batch_tokens(ordered[begin : begin + batch_size]) for begin in range(0, len(ordered), batch_size))

    return {
        "versions": {name: version(name) for name in ("transformers", "torch")},
        "num_parameters": _num_parameters(model),
        "precision": job["precision"],
        "shape": {**shape, "layers": num_layers},
    }, write


if __name__ == "__main__":
    answer_jobs(prepare)

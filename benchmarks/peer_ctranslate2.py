"""CTranslate2 in int8 on one thread, with a Marian Transformer of random weights. A peer of `offline_translation.py`.

The weights are made by Transformers from a configuration and converted as those of OPUS-MT are. Random weights cost
what trained ones do, as long as the lengths are forced.
"""

import json
import random
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ctranslate2  # type: ignore[import-not-found]
import transformers  # type: ignore[import-not-found]
from ctranslate2.converters import TransformersConverter  # type: ignore[import-not-found]

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.forced_lengths import forced_batches
from benchmarks.peer_side import Write, answer_jobs

_END, _UNKNOWN, _PAD = "</s>", "<unk>", "<pad>"
_LONGEST = 512
_SEED = 1


def _save_random_model(folder: Path, shape: dict[str, int], sentencepiece_model: str) -> int:
    """Write an untrained Marian model with a vocabulary of made-up pieces; its number of parameters."""
    size = shape["vocabulary_size"]
    pieces = [_END, _UNKNOWN, *(f"t{number}" for number in range(size - 3)), _PAD]
    for name in ("source.spm", "target.spm"):  # the tokenizer wants them, though pieces are sent ready-made
        shutil.copy(sentencepiece_model, folder / name)
    (folder / "vocab.json").write_text(json.dumps({piece: number for number, piece in enumerate(pieces)}))
    config = transformers.MarianConfig(
        vocab_size=size,
        decoder_vocab_size=size,
        d_model=shape["size"],
        encoder_layers=shape["layers"],
        decoder_layers=shape["layers"],
        encoder_attention_heads=shape["heads"],
        decoder_attention_heads=shape["heads"],
        encoder_ffn_dim=shape["feed_forward_size"],
        decoder_ffn_dim=shape["feed_forward_size"],
        max_position_embeddings=_LONGEST,
        activation_function="swish",
        scale_embedding=True,
        eos_token_id=0,
        forced_eos_token_id=0,
        pad_token_id=size - 1,
        decoder_start_token_id=size - 1,
    )
    transformers.set_seed(_SEED)
    model = transformers.MarianMTModel(config)
    model.save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "MarianTokenizer"}))
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def prepare(job: dict[str, Any]) -> tuple[dict[str, Any], Write]:
    """Build, convert and load the model of `job["shape"]`."""
    shape = job["shape"]
    with tempfile.TemporaryDirectory() as name:
        trained, converted = Path(name, "marian"), Path(name, "converted")
        trained.mkdir()
        num_parameters = _save_random_model(trained, shape, job["sentencepiece_model"])
        TransformersConverter(str(trained)).convert(str(converted), quantization="int8")
        translator = ctranslate2.Translator(
            str(converted), device="cpu", compute_type="int8", inter_threads=1, intra_threads=1
        )
    drawn = random.Random(_SEED)

    def sentence(length: int) -> list[str]:
        return [*(f"t{drawn.randrange(shape['vocabulary_size'] - 3)}" for _ in range(length - 1)), _END]

    sources = {length: sentence(length) for length in set(job["source_lengths"])}

    def write(batch_size: int) -> int:
        num_tokens = 0
        for batch in forced_batches(job["source_lengths"], job["target_lengths"], batch_size):
            results = translator.translate_batch(
                [sources[length] for length in batch.source_lengths],
                beam_size=1,
                min_decoding_length=batch.target_length,
                max_decoding_length=batch.target_length,
            )
            num_tokens += sum(len(result.hypotheses[0]) for result in results)
        return num_tokens

    return {
        "versions": {name: version(name) for name in ("ctranslate2", "transformers")},
        "num_parameters": num_parameters,
        "precision": translator.compute_type,
        "shape": shape,
    }, write


if __name__ == "__main__":
    answer_jobs(prepare)

"""The plain float32 PyTorch loop over our weights as a contestant: padded batches, one after another."""

import time
from collections.abc import Sequence

import torch

from benchmarks.contest import Run
from benchmarks.engine_contestant import num_steps
from rondo_models.bundle import Bundle
from rondo_models.decoding.search import decode_batch
from rondo_models.executor import TorchExecutor
from rondo_models.training.sequences import padded
from rondo_services.engine.requests import Search
from rondo_services.scripts import script_pieces
from rondo_tokenizers.vocabulary import Tokenizer


class PlainLoop:
    """Searches for one head, `works` in the order in which they are to be batched."""

    def __init__(self, bundle: Bundle, tokenizer: Tokenizer, works: Sequence[Search]) -> None:
        self._model = bundle.model
        self._works = works
        self._end_id = tokenizer.end_id
        self._executor = TorchExecutor(bundle.model, tokenizer.never_written, avoidable=script_pieces(tokenizer))

    @torch.inference_mode()
    def _batch_tokens(self, works: Sequence[Search]) -> int:
        ids, lengths = padded([work.ids for work in works], self._model.backbone.config.pad_id)
        encoded = self._model.backbone.encode(ids, lengths)
        first_ids = [work.first_id for work in works]
        head, parameters = works[0].head, works[0].parameters
        answers = decode_batch(self._executor, head, encoded, first_ids, parameters, self._end_id)
        return sum(map(num_steps, answers))

    def run(self, batch_size: int) -> Run:
        """The whole work once."""
        began = time.perf_counter()
        num_tokens = sum(
            self._batch_tokens(self._works[begin : begin + batch_size])
            for begin in range(0, len(self._works), batch_size)
        )
        return Run(num_tokens, time.perf_counter() - began)

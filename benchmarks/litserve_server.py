"""The same weights under LitServe, whose dynamic batching stands between the naive server and an engine.

Runs in the peers' environment (`make bench-peers`). Tokenization, language detection, request and reply are Rondo's
own, and the model reads in the same number format, on one thread; a batch is padded to its longest text and read by
one product.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import litserve  # type: ignore[import-not-found]
import torch
import typer

from rondo_models.bundle import load_bundle
from rondo_models.precision import fast_precision, reading_fast
from rondo_models.training.sequences import padded
from rondo_services.engine.requests import Classify
from rondo_services.schema import as_list
from rondo_services.sentiment.schema import SentimentReply, SentimentRequest
from rondo_services.sentiment.service import SentimentService
from rondo_tokenizers.languages import detect_language
from rondo_tokenizers.vocabulary import Tokenizer

_MAX_BATCH_SIZE = 64


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, its texts as ids, and once they are known the probabilities of the labels of each."""

    request: SentimentRequest
    works: list[Classify]
    probabilities: list[list[float]]


class SentimentApi(litserve.LitAPI):  # type: ignore[misc]
    """LitServe calls `setup` in the worker's process, then for each batch the other methods in their order."""

    def __init__(self, bundle: Path, batch_timeout_s: float) -> None:
        super().__init__(max_batch_size=_MAX_BATCH_SIZE, batch_timeout=batch_timeout_s, api_path="/v1/sentiment")
        self._folder = bundle

    def setup(self, device: str) -> None:
        """Load the bundle."""
        torch.set_num_threads(1)
        bundle = load_bundle(self._folder)
        self._name = bundle.manifest.name
        self._backbone = bundle.model.backbone
        self._head = bundle.model.classifier("sentiment")
        self._fast = fast_precision() != "float32"  # as Rondo classifies
        languages = bundle.manifest.services["sentiment"]["languages"]
        self._service = SentimentService(Tokenizer(bundle.tokenizer), "sentiment", self._head.config.labels, languages)
        detect_language("Good morning.")  # the first call loads its model

    def decode_request(self, request: SentimentRequest) -> Asked:
        """Texts → ids."""
        return Asked(request, [self._service.work(text) for text in as_list(request.text)], [])

    @torch.inference_mode()
    def predict(self, batch: list[Asked]) -> list[Asked]:
        """Probabilities for all texts of all requests of the batch."""
        works = [work for asked in batch for work in asked.works]
        ids, lengths = padded([work.ids for work in works], self._backbone.config.pad_id)
        with reading_fast(self._fast):
            encoded = self._backbone.encode(ids, lengths)
        encoded = replace(encoded, outputs=encoded.outputs.float())
        probabilities = iter(self._head(encoded).softmax(dim=-1).tolist())
        return [Asked(asked.request, asked.works, [next(probabilities) for _ in asked.works]) for asked in batch]

    def encode_response(self, answered: Asked) -> dict[str, Any]:
        """Probabilities → reply."""
        results = [
            self._service.result(text, answered.request.language, probabilities)
            for text, probabilities in zip(as_list(answered.request.text), answered.probabilities, strict=True)
        ]
        return SentimentReply(model=f"{self._name}/sentiment", results=results).model_dump(exclude_none=True)


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")],
    port: Annotated[int, typer.Option(min=1, max=65535)],
    batch_timeout_ms: Annotated[float, typer.Option(min=0, help="How long a batch waits to be filled.")],
    fast_queue: Annotated[bool, typer.Option(help="Send replies through ZeroMQ.")],
    host: Annotated[str, typer.Option()] = "127.0.0.1",
) -> None:
    """Serve a bundle's sentiment under LitServe, to compare with."""
    server = litserve.LitServer(
        SentimentApi(bundle, batch_timeout_ms / 1000),
        accelerator="cpu",
        workers_per_device=1,
        timeout=False,
        healthcheck_path="/health/ready",
        fast_queue=fast_queue,
    )
    server.run(host=host, port=port, num_api_servers=1, log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    typer.run(main)

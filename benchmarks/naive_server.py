"""What one would write without an engine: FastAPI over the plain model code, one request at a time.

Weights, tokenizer, request and reply shapes and the work on text are Rondo's own; only batching is missing.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import torch
import typer
import uvicorn
from fastapi import FastAPI

from rondo_models.bundle import Bundle, load_bundle
from rondo_models.decoding.parameters import Hypothesis
from rondo_models.decoding.prompts import nothing_read
from rondo_models.decoding.search import decode_batch, generate
from rondo_models.executor import TorchExecutor
from rondo_services.engine.requests import Classify, Generate, Search
from rondo_services.errors import InvalidInput
from rondo_services.generation.continuation import StateSealer
from rondo_services.generation.schema import GenerateReply, GenerateRequest, GenerationResult, Usage
from rondo_services.generation.service import GenerationService
from rondo_services.schema import as_list
from rondo_services.scripts import script_pieces
from rondo_services.sentiment.schema import SentimentReply, SentimentRequest, SentimentResult
from rondo_services.sentiment.service import SentimentService
from rondo_services.summarization.schema import SummarizeReply, SummarizeRequest
from rondo_services.summarization.service import SummarizationService, SummaryOptions
from rondo_services.translation.schema import TranslateReply, TranslateRequest, TranslationResult
from rondo_services.translation.service import TranslationOptions, TranslationService
from rondo_tokenizers.vocabulary import Tokenizer

T = TypeVar("T")


class PlainModel:
    """Answers one request at a time with the plain loops."""

    def __init__(self, bundle: Bundle, tokenizer: Tokenizer) -> None:
        self._model = bundle.model
        self._end_id = tokenizer.end_id
        self._executor = TorchExecutor(bundle.model, tokenizer.never_written, avoidable=script_pieces(tokenizer))

    @torch.inference_mode()
    def classify(self, work: Classify) -> list[float]:
        """Probabilities of the labels."""
        encoded = self._model.backbone.encode(torch.tensor([work.ids]), torch.tensor([len(work.ids)]))
        probabilities: list[float] = self._model.classifier(work.head)(encoded)[0].softmax(dim=-1).tolist()
        return probabilities

    @torch.inference_mode()
    def search(self, work: Search) -> list[Hypothesis]:
        """The best targets."""
        encoded = self._model.backbone.encode(torch.tensor([work.ids]), torch.tensor([len(work.ids)]))
        (hypotheses,) = decode_batch(self._executor, work.head, encoded, [work.first_id], work.parameters, self._end_id)
        return hypotheses

    def generate(self, work: Generate) -> tuple[list[int], str]:
        """Written ids and why the writing ended."""
        before = nothing_read(self._model, work.head, 1)
        sampler = generate(self._executor, work.head, work.ids, before, work.parameters, self._end_id)
        assert sampler.finish_reason is not None
        return list(sampler.ids), sampler.finish_reason


class NaiveServices:
    """Text in, reply out, for each of the services that the bundle has."""

    def __init__(self, bundle: Bundle) -> None:
        self.name = bundle.manifest.name
        self.offered = bundle.manifest.services
        self._model = PlainModel(bundle, tokenizer := Tokenizer(bundle.tokenizer))
        if (own := self.offered.get("sentiment")) is not None:
            labels = bundle.model.classifier("sentiment").config.labels
            self._sentiment = SentimentService(tokenizer, "sentiment", labels, own["languages"])
        if (own := self.offered.get("translation")) is not None:
            pairs = [(source, target) for source, target in own["pairs"]]
            self._translation = TranslationService(tokenizer, "translation", pairs)
        if (own := self.offered.get("summarization")) is not None:
            self._summarization = SummarizationService(
                tokenizer, "summarization", own["languages"], own["longest_source"]
            )
        if (own := self.offered.get("generation")) is not None:
            self._generation = GenerationService(
                tokenizer, "generation", own["languages"], StateSealer("", bundle.fingerprint)
            )

    def sentiment(self, request: SentimentRequest) -> SentimentReply:
        """Classify each text."""

        def result(text: str) -> SentimentResult:
            probabilities = self._model.classify(self._sentiment.work(text))
            return self._sentiment.result(text, request.language, probabilities)

        results = [result(text) for text in as_list(request.text)]
        return SentimentReply(model=f"{self.name}/sentiment", results=results)

    def translate(self, request: TranslateRequest) -> TranslateReply:
        """Translate each text, sentence by sentence."""
        options = TranslationOptions(
            request.source, request.target, request.beam_size, request.alternatives, format="plain"
        )

        def result(text: str) -> TranslationResult:
            plan = self._translation.plan(text, options)
            return self._translation.result(plan, [self._model.search(work) for work in plan.works])

        results = [result(text) for text in as_list(request.text)]
        return TranslateReply(model=f"{self.name}/translation", results=results)

    def summarize(self, request: SummarizeRequest) -> SummarizeReply:
        """Summarize each text.

        Raises:
            InvalidInput: the method is `extract`, which this server has not.
        """
        if request.method == "extract":
            raise InvalidInput("method: the naive server writes or chooses summaries, and extracts none")
        options = SummaryOptions(request.max_tokens, request.beam_size, method=request.method)
        plans = [self._summarization.plan(text, options) for text in as_list(request.text)]
        works = [work for plan in plans for work in plan.works]
        answers = [self._model.search(own) if isinstance(own, Search) else self._model.classify(own) for own in works]
        results = self._summarization.results(plans, answers)
        return SummarizeReply(model=f"{self.name}/summarization", results=results)

    def generate(self, request: GenerateRequest) -> GenerateReply:
        """Go on from each prompt; no streams and no stop texts."""

        def result(prompt: str, index: int) -> GenerationResult:
            work = self._generation.work(prompt, request, index)
            ids, finish_reason = self._model.generate(work)
            text = self._generation.tokenizer.decode_continuation(ids)
            prompt_tokens = len(work.ids) - 1
            usage = Usage(
                prompt_tokens=prompt_tokens, completion_tokens=len(ids), total_tokens=prompt_tokens + len(ids)
            )
            return GenerationResult(text=text, finish_reason=finish_reason, usage=usage)  # type: ignore[arg-type]

        results = [result(prompt, index) for index, prompt in enumerate(as_list(request.prompt))]
        return GenerateReply(model=f"{self.name}/generation", results=results)


def create_app(services: NaiveServices) -> FastAPI:
    """The same routes as Rondo's."""
    app = FastAPI(title="Naive")
    # One thread is the lock: requests wait in their order, and the event loop stays free.
    thread = ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,))

    async def alone(answer: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(thread, answer)

    @app.get("/health/ready")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/v1/sentiment", response_model_exclude_none=True)
    async def sentiment(request: SentimentRequest) -> SentimentReply:
        return await alone(partial(services.sentiment, request))

    @app.post("/v1/translate", response_model_exclude_none=True)
    async def translate(request: TranslateRequest) -> TranslateReply:
        return await alone(partial(services.translate, request))

    @app.post("/v1/summarize", response_model_exclude_none=True)
    async def summarize(request: SummarizeRequest) -> SummarizeReply:
        return await alone(partial(services.summarize, request))

    @app.post("/v1/generate")
    async def generate_text(request: GenerateRequest) -> GenerateReply:
        return await alone(partial(services.generate, request))

    return app


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")],
    port: Annotated[int, typer.Option(min=1, max=65535)],
    host: Annotated[str, typer.Option()] = "127.0.0.1",
) -> None:
    """Serve a bundle without batching, to compare with."""
    torch.set_num_threads(1)
    uvicorn.run(create_app(NaiveServices(load_bundle(bundle))), host=host, port=port, log_level="warning")


if __name__ == "__main__":
    typer.run(main)

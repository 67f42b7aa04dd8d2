"""From a validated request to results, the same for all protocols: each only puts them into its own words.

Every method is given the HTTP request that it answers, and gives up when that client leaves.
"""

import itertools
from collections.abc import AsyncGenerator, Sequence
from typing import Literal, TypeVar

from fastapi import Request

from ..engine.requests import Generate, Likelihoods
from ..errors import NotServed
from ..generation.schema import GeneratePiece, GenerateRequest, GenerationResult
from ..generation.service import GenerationService
from ..releases.fleet import Fleet
from ..schema import as_list
from ..sentiment.schema import SentimentRequest, SentimentResult
from ..sentiment.service import SentimentService
from ..suite import Suite, Terms
from ..summarization.schema import SummarizeRequest, SummaryResult
from ..summarization.service import SummarizationService, SummaryOptions
from ..translation.schema import TranslateRequest, TranslationResult
from ..translation.service import TranslationOptions, TranslationService
from .abandonment import while_connected
from .headers import terms_of
from .limits import check_size, shortened
from .offload import planned, run
from .settings import ServerSettings
from .writing import together, written_pieces

T = TypeVar("T")


class Answers:
    """Answers requests with the services of a fleet.

    All methods raise UnknownModel if what the request names lacks the service, InvalidInput for what can't be honoured,
    Overloaded, TimedOut and EngineFailed as the engine does, and Cancelled if the client left.
    """

    def __init__(self, fleet: Fleet, settings: ServerSettings) -> None:
        self.fleet = fleet
        self._settings = settings

    async def sentiment(
        self, http: Request, request: SentimentRequest, *, cut: Literal["left", "right"] | None = None
    ) -> list[SentimentResult]:
        """The classification of each text.

        Args:
            cut: at this side, texts that are too long; None: they are refused, as are those that are to be explained.
        """
        suite = self.fleet.suite_for("sentiment", request.model)
        service: SentimentService = _there(suite.sentiment)
        terms = terms_of(http.scope["headers"], self._settings.timeout_s)
        texts = as_list(request.text)
        longest = self._settings.max_text_tokens
        if request.explain:
            explanations = await planned(service.explanation, texts)
            check_size(explanations, longest, suite.engine.limits, "text")
            explained = await while_connected(http, run(suite, explanations, terms))
            answered = zip(texts, explanations, explained, strict=True)
            return [service.explained_result(text, request.language, work, answer) for text, work, answer in answered]
        works = await planned(service.work, texts)
        if cut is not None:
            works = [shortened(work, longest, keep_end=cut == "left") for work in works]
        check_size(works, longest, suite.engine.limits, "text")
        answers = await while_connected(http, run(suite, works, terms))
        return [service.result(text, request.language, answer) for text, answer in zip(texts, answers, strict=True)]

    async def summaries(self, http: Request, request: SummarizeRequest) -> list[SummaryResult]:
        """The summary of each text."""
        if request.method == "extract":
            return await self._extracts(http, request)
        suite = self.fleet.suite_for("summarization", request.model)
        service: SummarizationService = _there(suite.summarization)
        terms = terms_of(http.scope["headers"], self._settings.timeout_s)
        options = SummaryOptions(request.max_tokens, request.beam_size, method=request.method)
        plans = await planned(lambda text: service.plan(text, options), as_list(request.text))
        works = [work for plan in plans for work in plan.works]
        check_size(works, self._settings.max_text_tokens, suite.engine.limits, "text")
        return service.results(plans, await while_connected(http, run(suite, works, terms)))

    async def _extracts(self, http: Request, request: SummarizeRequest) -> list[SummaryResult]:
        suite = self.fleet.suite_for("compression", request.model)
        service = suite.compression
        if service is None:  # such as a bundle that the path names already
            raise NotServed(f"{suite.name} has no service compression, so method can't be extract", field="method")
        terms = terms_of(http.scope["headers"], self._settings.timeout_s)
        plans = await planned(service.plan, as_list(request.text))
        works = [work for plan in plans for work in plan.works]
        check_size(works, self._settings.max_text_tokens, suite.engine.limits, "text")
        answers = iter(await while_connected(http, run(suite, works, terms)))
        return [service.result(plan, list(itertools.islice(answers, len(plan.works)))) for plan in plans]

    async def translations(self, http: Request, request: TranslateRequest) -> list[TranslationResult]:
        """The translation of each text."""
        suite = self.fleet.suite_for("translation", request.model)
        service: TranslationService = _there(suite.translation)
        terms = terms_of(http.scope["headers"], self._settings.timeout_s)
        options = TranslationOptions.of(request)
        plans = await planned(lambda text: service.plan(text, options), as_list(request.text))
        works = [work for plan in plans for work in plan.works]
        check_size(works, self._settings.max_text_tokens, suite.engine.limits, "text")
        return await while_connected(http, service.translate(plans, lambda own: run(suite, own, terms)))

    async def continuations(
        self,
        http: Request,
        request: GenerateRequest,
        prompts: Sequence[str | Sequence[int]] | None = None,
        most_read: int | None = None,
    ) -> list[GenerationResult]:
        """The text that goes on from each prompt.

        Args:
            prompts: instead of the request's; text, or ids without the start symbol.
            most_read: tokens of a prompt's end that are read; None: all of it is.
        """
        suite = self.fleet.suite_for("generation", request.model, request.state)
        service: GenerationService = _there(suite.generation)
        terms = terms_of(http.scope["headers"], self._settings.timeout_s)
        works = await self._generation_works(suite, service, request, prompts, most_read)
        read = await _prompt_scores(http, suite, service, request, works, terms)
        if request.stop:
            events = written_pieces(service, suite, request, works, terms, read)
            return await while_connected(http, together(events, len(works)))
        answers = await while_connected(http, run(suite, works, terms))
        return [
            service.result(work, answer, scores) for work, answer, scores in itertools.zip_longest(works, answers, read)
        ]

    async def pieces(
        self,
        http: Request,
        request: GenerateRequest,
        prompts: Sequence[str | Sequence[int]] | None = None,
        most_read: int | None = None,
    ) -> AsyncGenerator[GeneratePiece, None]:
        """The same piece by piece; returns once the first piece is there, so that an error before it has its status.

        The caller closes the generator: that ends the writing.
        """
        suite = self.fleet.suite_for("generation", request.model, request.state)
        service: GenerationService = _there(suite.generation)
        terms = terms_of(http.scope["headers"], self._settings.timeout_s)
        works = await self._generation_works(suite, service, request, prompts, most_read)
        read = await _prompt_scores(http, suite, service, request, works, terms)
        events = written_pieces(service, suite, request, works, terms, read)
        return _with_first(await while_connected(http, _first(events)), events)

    async def _generation_works(
        self,
        suite: Suite,
        service: GenerationService,
        request: GenerateRequest,
        prompts: Sequence[str | Sequence[int]] | None,
        most_read: int | None,
    ) -> list[Generate]:
        numbers = itertools.count()
        own = as_list(request.prompt) if prompts is None else prompts
        works = await planned(lambda prompt: service.work(prompt, request, next(numbers), most_read), own)
        check_size(works, self._settings.max_text_tokens, suite.engine.limits, "prompt")
        return works


async def _prompt_scores(
    http: Request,
    suite: Suite,
    service: GenerationService,
    request: GenerateRequest,
    works: Sequence[Generate],
    terms: Terms,
) -> list[Likelihoods]:
    """Of each prompt, if they were asked for."""
    if not request.prompt_logprobs:
        return []
    own = [service.likelihood(work, request) for work in works]
    return await while_connected(http, run(suite, own, terms))


def _there(service: T | None) -> T:
    assert service is not None, "what is found by a service has it"
    return service


async def _first(events: AsyncGenerator[GeneratePiece, None]) -> GeneratePiece:
    return await anext(events)


async def _with_first(
    first: GeneratePiece, events: AsyncGenerator[GeneratePiece, None]
) -> AsyncGenerator[GeneratePiece, None]:
    try:
        yield first
        async for piece in events:
            yield piece
    finally:
        await events.aclose()

"""The services' tasks: each text becomes work for the engine, and the engine's answer the fields of an output line."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import islice
from typing import Any, Generic, TypeVar

from ...datasets.examples import Document
from ...datasets.text import num_words_with_eos
from ...engine.requests import Generate, Generated, Likelihood, Likelihoods, Work
from ...errors import InvalidInput, RondoError
from ...generation.service import GenerationService
from ...languages import AUTO
from ...sentiment.service import SentimentService
from ...summarization.choosing import ChoicePlan
from ...summarization.compression import CompressionPlan, CompressionService
from ...summarization.service import SummarizationService, SummaryOptions, SummaryPlan
from ...text import source_ids
from ...translation.service import TranslationOptions, TranslationPlan, TranslationService
from ..items import BadItem, Item
from ..options import GenerationJob, SentimentJob, TranslationJob
from .task import Ask, Fields

P = TypeVar("P")

LONGEST_PIECE = 20_000
"""Tokens of a text, or of a sentence to translate, as the server has it by default."""


_WITHOUT_PAUSE = 32
"""Items that are planned before others that wait for the loop have their turn, as the answers to other chunks may."""


class ServiceTask(ABC, Generic[P]):
    """Plans each item by itself, so that one that can't be answered is only bad; the engine is asked for all."""

    async def answer(self, items: Sequence[Item], ask: Ask) -> list[Fields | BadItem]:
        """As `Task`."""
        answered: list[Fields | BadItem] = []
        places: list[int] = []
        plans: list[P] = []
        for place, item in enumerate(items):
            if place % _WITHOUT_PAUSE == _WITHOUT_PAUSE - 1:
                await asyncio.sleep(0)
            try:
                plans.append(self._plan(item))
            except RondoError as error:
                answered.append(BadItem(item.index, item.line, error.message))
            else:
                places.append(place)
                answered.append({})
        for place, fields in zip(places, await self._results(plans, ask), strict=True):
            answered[place] = fields
        return answered

    @abstractmethod
    def _plan(self, item: Item) -> P:
        """Raises RondoError for an item that can't be answered."""

    @abstractmethod
    async def _results(self, plans: Sequence[P], ask: Ask) -> Sequence[Fields]:
        """One for each plan."""


class TranslationTask(ServiceTask[TranslationPlan]):
    """Translates."""

    def __init__(
        self, service: TranslationService, options: TranslationJob, longest_piece: int = LONGEST_PIECE
    ) -> None:
        self._service = service
        self._options = options
        self._longest_piece = longest_piece
        service.check(self._for(options.source))

    def _for(self, source: str) -> TranslationOptions:
        own = self._options
        return TranslationOptions(
            source,
            own.target,
            own.beam_size,
            own.alternatives,
            own.length_penalty,
            own.rerank,
            own.format,
            own.glossary,
            own.explain,
        )

    def _plan(self, item: Item) -> TranslationPlan:
        source = self._options.source
        plan = self._service.plan(item.text, self._for(item.language or AUTO if source == AUTO else source))
        _check_sizes(plan.works, self._longest_piece)
        return plan

    async def _results(self, plans: Sequence[TranslationPlan], ask: Ask) -> Sequence[Fields]:
        results = await self._service.translate(plans, ask)
        return [result.model_dump(exclude_none=True) for result in results]


class SentimentTask(ServiceTask[tuple[Item, Any]]):
    """Classifies, and explains if that is asked for."""

    def __init__(self, service: SentimentService, options: SentimentJob, longest_piece: int = LONGEST_PIECE) -> None:
        self._service = service
        self._options = options
        self._longest_piece = longest_piece

    def _plan(self, item: Item) -> tuple[Item, Any]:
        work = self._service.explanation(item.text) if self._options.explain else self._service.work(item.text)
        _check_sizes([work], self._longest_piece)
        return item, work

    async def _results(self, plans: Sequence[tuple[Item, Any]], ask: Ask) -> Sequence[Fields]:
        answers = await ask([work for _, work in plans])
        results = []
        for (item, work), answer in zip(plans, answers, strict=True):
            language = self._options.language
            if language == AUTO and item.language is not None:
                language = item.language
            if self._options.explain:
                result = self._service.explained_result(item.text, language, work, answer)
            else:
                result = self._service.result(item.text, language, answer)
            results.append(result.model_dump(exclude_none=True))
        return results


class SummarizationTask(ServiceTask[SummaryPlan | ChoicePlan]):
    """Summarizes."""

    def __init__(
        self, service: SummarizationService, options: SummaryOptions, longest_piece: int = LONGEST_PIECE
    ) -> None:
        self._service = service
        self._options = options
        self._longest_piece = longest_piece
        service.check(self._options)

    def _plan(self, item: Item) -> SummaryPlan | ChoicePlan:
        plan = self._service.plan(item.text, self._options)
        _check_sizes(plan.works, self._longest_piece)
        return plan

    async def _results(self, plans: Sequence[SummaryPlan | ChoicePlan], ask: Ask) -> Sequence[Fields]:
        answers = await ask([work for plan in plans for work in plan.works])
        return [result.model_dump(exclude_none=True) for result in self._service.results(plans, answers)]


class CompressionTask(ServiceTask[CompressionPlan]):
    """Shortens."""

    def __init__(self, service: CompressionService, longest_piece: int = LONGEST_PIECE) -> None:
        self._service = service
        self._longest_piece = longest_piece

    def _plan(self, item: Item) -> CompressionPlan:
        plan = self._service.plan(item.text)
        _check_sizes(plan.works, self._longest_piece)
        return plan

    async def _results(self, plans: Sequence[CompressionPlan], ask: Ask) -> Sequence[Fields]:
        answers = iter(await ask([work for plan in plans for work in plan.works]))
        results = [self._service.result(plan, list(islice(answers, len(plan.works)))) for plan in plans]
        return [result.model_dump(exclude_none=True) for result in results]


class GenerationTask(ServiceTask[Generate]):
    """Goes on from each text as a prompt. A stop text cuts what was written, which costs the tokens behind it."""

    def __init__(self, service: GenerationService, options: GenerationJob, longest_piece: int = LONGEST_PIECE) -> None:
        self._service = service
        self._options = options
        self._longest_piece = longest_piece

    def _plan(self, item: Item) -> Generate:
        work = self._service.work(item.text, self._options, item.index)
        _check_sizes([work], self._longest_piece)
        return work

    async def _results(self, plans: Sequence[Generate], ask: Ask) -> Sequence[Fields]:
        return [self._fields(work, answer) for work, answer in zip(plans, await ask(plans), strict=True)]

    def _fields(self, work: Generate, answer: Generated) -> Fields:
        result = self._service.result(work, answer)
        fields = {"continuation": result.text, **result.model_dump(exclude_none=True, exclude={"text"})}
        if self._options.stop:
            pieces, text = self._service.pieces(self._options), ""
            for identifier in answer.ids:
                text += pieces.add(identifier)
                if pieces.stopped:
                    usage = self._service.usage(work, pieces.num_ids).model_dump()
                    return {**fields, "continuation": text, "finish_reason": "stop", "usage": usage}
        return fields


class PerplexityTask(ServiceTask[tuple[Item, Likelihood]]):
    """Scores each text as the language model sees it, from its beginning, every line of it ended by the end symbol."""

    def __init__(self, service: GenerationService, longest_piece: int = LONGEST_PIECE) -> None:
        self._service = service
        self._longest_piece = longest_piece

    def _plan(self, item: Item) -> tuple[Item, Likelihood]:
        tokenizer = self._service.tokenizer
        ids = [identifier for line in item.text.split("\n") for identifier in source_ids(tokenizer, line)]
        work = Likelihood(self._service.head, (tokenizer.start_id, *ids))
        _check_sizes([work], self._longest_piece)
        return item, work

    async def _results(self, plans: Sequence[tuple[Item, Likelihood]], ask: Ask) -> Sequence[Fields]:
        answers: list[Likelihoods] = await ask([work for _, work in plans])
        return [
            {
                "nats": -sum(score.log_probability for score in answer.scores),
                "num_tokens": len(answer.scores),
                "num_words": num_words_with_eos(Document(tuple(item.text.split("\n")), "")),
            }
            for (item, _), answer in zip(plans, answers, strict=True)
        ]


def _check_sizes(works: Sequence[Work], most: int) -> None:
    longest = max((len(work.ids) for work in works), default=0)
    if longest > most:
        raise InvalidInput(f"{longest} tokens in one piece; at most {most}")

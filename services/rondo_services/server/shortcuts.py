"""What plain requests of a route are to the engine, without the framework: a body → works → the body of the reply."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel, TypeAdapter, ValidationError

from ..engine.requests import Generate, Work
from ..generation.schema import GenerateRequest
from ..languages import only_known
from ..releases.fleet import Fleet
from ..schema import as_list
from ..sentiment.schema import SentimentReply, SentimentRequest
from ..suite import Suite, Terms
from .headers import Headers, terms_of
from .limits import check_size
from .models import model_id
from .offload import are_short, planned_at_once
from .settings import ServerSettings
from .text_events import TextEvents


@dataclass(frozen=True, slots=True)
class Plan:
    """What a suite's engine is to do for a request."""

    suite: Suite
    works: Sequence[Work]
    terms: Terms


class Shortcut(Protocol):
    """One route."""

    def read(self, body: bytes) -> BaseModel | None:
        """The request, if it is valid and asks for nothing but what is known here; else None."""

    def plan(self, request: Any, headers: Headers) -> Plan:
        """What to do for it; raises as the methods of `Answers`, for the same reasons in the same order."""


class PlainShortcut(Shortcut, Protocol):
    """One route whose replies are sent as a whole."""

    def reply(self, request: Any, plan: Plan, answers: Sequence[Any]) -> bytes:
        """JSON, as the framework would write it."""


class SentimentShortcut:
    """`POST /v1/sentiment` of texts that are not to be explained, nor too long to be tokenised at once."""

    def __init__(self, fleet: Fleet, settings: ServerSettings) -> None:
        self._fleet = fleet
        self._settings = settings
        self._replies = TypeAdapter(SentimentReply)

    def read(self, body: bytes) -> SentimentRequest | None:
        try:
            with only_known(self._fleet.languages):
                request = SentimentRequest.model_validate(json.loads(body))
        except (ValueError, RecursionError, ValidationError):
            return None
        return None if request.explain or not are_short(as_list(request.text)) else request

    def plan(self, request: SentimentRequest, headers: Headers) -> Plan:
        suite = self._fleet.suite_for("sentiment", request.model)
        assert suite.sentiment is not None, "what is found by a service has it"
        terms = terms_of(headers, self._settings.timeout_s)
        works = planned_at_once(suite.sentiment.work, as_list(request.text))
        check_size(works, self._settings.max_text_tokens, suite.engine.limits, "text")
        return Plan(suite, works, terms)

    def reply(self, request: SentimentRequest, plan: Plan, answers: Sequence[Any]) -> bytes:
        service = plan.suite.sentiment
        assert service is not None, "it has made the works"
        texts = as_list(request.text)
        results = [service.result(text, request.language, own) for text, own in zip(texts, answers, strict=True)]
        reply = SentimentReply(model=model_id(plan.suite, "sentiment"), results=results)
        return self._replies.dump_json(reply, exclude_none=True)


class StreamShortcut:
    """`POST /v1/generate` of one short prompt, whose text is to be told piece by piece and nothing else of it."""

    def __init__(self, fleet: Fleet, settings: ServerSettings) -> None:
        self._fleet = fleet
        self._settings = settings

    def read(self, body: bytes) -> GenerateRequest | None:
        if b'"stream"' not in body:  # then all else is in vain
            return None
        try:
            with only_known(self._fleet.languages):
                request = GenerateRequest.model_validate(json.loads(body))
        except (ValueError, RecursionError, ValidationError):
            return None
        more = request.return_state or request.prompt_logprobs or request.state is not None
        if not request.stream or more or request.logprobs is not None:
            return None
        prompts = as_list(request.prompt)
        return request if len(prompts) == 1 and are_short(prompts) else None

    def plan(self, request: GenerateRequest, headers: Headers) -> Plan:
        suite = self._fleet.suite_for("generation", request.model)
        service = suite.generation
        assert service is not None, "what is found by a service has it"
        terms = terms_of(headers, self._settings.timeout_s)
        works = planned_at_once(lambda prompt: service.work(prompt, request), as_list(request.prompt))
        check_size(works, self._settings.max_text_tokens, suite.engine.limits, "prompt")
        return Plan(suite, works, terms)

    def events(self, request: GenerateRequest, plan: Plan) -> TextEvents:
        """What is to be told of the text that is being written for it."""
        service = plan.suite.generation
        assert service is not None, "it has made the works"
        (work,) = plan.works
        assert isinstance(work, Generate)
        return TextEvents(service, service.pieces(request), work)


@dataclass(frozen=True, slots=True)
class Shortcuts:
    """Shortcuts by path: for whole replies, and for streams."""

    plain: Mapping[str, PlainShortcut] = field(default_factory=dict)
    streams: Mapping[str, StreamShortcut] = field(default_factory=dict)


def service_shortcuts(fleet: Fleet, settings: ServerSettings) -> Shortcuts:
    """Those of the services that a bundle has."""
    return Shortcuts(
        {"/v1/sentiment": SentimentShortcut(fleet, settings)} if "sentiment" in fleet.services else {},
        {"/v1/generate": StreamShortcut(fleet, settings)} if "generation" in fleet.services else {},
    )

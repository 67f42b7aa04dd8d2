"""What plain requests of a route are to the engine, without the framework: a body → works → the body of the reply."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, TypeAdapter, ValidationError

from ..engine.requests import Work
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


@dataclass(frozen=True, slots=True)
class Plan:
    """What a suite's engine is to do for a request."""

    suite: Suite
    works: Sequence[Work]
    terms: Terms


class Shortcut(Protocol):
    """One route."""

    def read(self, body: bytes) -> BaseModel | None:
        """The request, if it is valid and asks for nothing but what `plan` and `reply` know; else None."""

    def plan(self, request: Any, headers: Headers) -> Plan:
        """What to do for it; raises as the methods of `Answers`, for the same reasons in the same order."""

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


def service_shortcuts(fleet: Fleet, settings: ServerSettings) -> dict[str, Shortcut]:
    """Those of the services that a bundle has, by path."""
    return {"/v1/sentiment": SentimentShortcut(fleet, settings)} if "sentiment" in fleet.services else {}

"""One router per service."""

from fastapi import APIRouter

from ..answers import Answers
from ..settings import ServerSettings
from . import generation, sentiment, summarization, translation


def service_routers(answers: Answers, settings: ServerSettings) -> list[APIRouter]:
    """One for each service that the suite has."""
    suite, found = answers.suite, []
    if suite.sentiment is not None:
        found.append(sentiment.router(answers, suite.sentiment, settings))
    if suite.generation is not None:
        found.append(generation.router(answers))
    if suite.summarization is not None:
        found.append(summarization.router(answers))
    if suite.translation is not None:
        found.append(translation.router(answers))
    return found

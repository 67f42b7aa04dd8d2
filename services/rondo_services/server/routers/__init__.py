"""One router per service."""

from fastapi import APIRouter

from ..answers import Answers
from ..settings import ServerSettings
from . import generation, sentiment, summarization, translation


def service_routers(answers: Answers, settings: ServerSettings) -> list[APIRouter]:
    """One for each service that a bundle has."""
    services, found = answers.fleet.services, []
    if "sentiment" in services:
        found.append(sentiment.router(answers, settings))
    if "generation" in services:
        found.append(generation.router(answers))
    if "summarization" in services or "compression" in services:
        found.append(summarization.router(answers))
    if "translation" in services:
        found.append(translation.router(answers))
    return found

"""Hugging Face's inference tasks: each service is a model at `/models/{id}`, and its task is what the service does."""

from fastapi import APIRouter

from ...answers import Answers
from . import tasks, text_generation
from .errors import error_shape

__all__ = ["PATH", "error_shape", "routers"]

PATH = "/models"
"""Below which failures are told as the tasks have it."""


def routers(answers: Answers) -> list[APIRouter]:
    """All that the bundle has services for."""
    served = [tasks.router(answers)]
    if "generation" in answers.fleet.services:
        served.append(text_generation.router(answers))
    return [*served, tasks.unknown(answers.fleet)]

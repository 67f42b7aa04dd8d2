"""What clients of LibreTranslate ask for: translation of texts and files, and which language a text is in."""

from fastapi import APIRouter

from ...answers import Answers
from ...files.jobs import FileJobs
from ...settings import ServerSettings
from . import detection, files, texts
from .errors import error_shape

__all__ = ["PATHS", "error_shape", "routers"]

PATHS = (
    *("/translate", "/detect", "/languages", "/health", "/frontend"),
    *("/translate_file", "/download_file", "/suggest"),
)
"""Whose failures are told as LibreTranslate does."""


def routers(
    answers: Answers, settings: ServerSettings, jobs: FileJobs | None, *, asks_for_keys: bool
) -> list[APIRouter]:
    """All that the bundle has services for; languages are told apart in any case.

    Args:
        jobs: translates files; None where nothing is translated.
    """
    fleet = answers.fleet
    served = [detection.router(fleet)]
    if jobs is not None:
        served += [texts.router(answers), texts.about(fleet, asks_for_keys=asks_for_keys)]
        served += files.routers(jobs, fleet, settings.file_timeout_s)
    return served

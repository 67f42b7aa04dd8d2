"""What clients of the OpenAI API ask for: completions, models, files and batches; and, as vLLM has it, a look into the
vocabulary."""

from fastapi import APIRouter

from ...answers import Answers
from ...jobs.desk import JobDesk
from ...settings import ServerSettings
from . import batches, completions, files, models, tokenization
from .errors import error_shape

__all__ = ["PATHS", "error_shape", "routers"]

PATHS = (
    *("/v1/completions", "/v1/chat", "/v1/responses", "/v1/embeddings", "/v1/moderations", "/v1/uploads"),
    *("/v1/models", files.PATH, batches.PATH),
    *("/tokenize", "/detokenize", "/tokenizer_info"),
)
"""Whose failures are told as OpenAI does; of those that are not served, since its clients ask for them."""


def routers(answers: Answers, settings: ServerSettings, desk: JobDesk) -> list[APIRouter]:
    """All that the bundle has services for."""
    served = [
        models.router(answers.fleet),
        tokenization.router(answers.fleet, settings.max_text_tokens),
        files.router(desk, settings.max_file_bytes),
        batches.router(desk, answers.fleet, settings),
    ]
    return served if "generation" not in answers.fleet.services else [*served, completions.router(answers)]

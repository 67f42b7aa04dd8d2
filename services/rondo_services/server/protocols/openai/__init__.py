"""What clients of the OpenAI API ask for: completions and models; and, as vLLM has it, a look into the vocabulary."""

from fastapi import APIRouter

from ...answers import Answers
from ...settings import ServerSettings
from . import completions, models, tokenization
from .errors import error_shape

__all__ = ["PATHS", "error_shape", "routers"]

PATHS = ("/v1/completions", "/v1/chat", "/v1/models", "/tokenize", "/detokenize", "/tokenizer_info")
"""Whose failures are told as OpenAI does; of those that are not served, since its clients ask for them."""


def routers(answers: Answers, settings: ServerSettings) -> list[APIRouter]:
    """All that the bundle has services for."""
    served = [models.router(answers.suite), tokenization.router(answers.suite, settings.max_text_tokens)]
    return served if answers.suite.generation is None else [*served, completions.router(answers)]

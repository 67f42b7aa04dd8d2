"""The task that a job asks for."""

from typing import TypeVar

from ...errors import InvalidInput, NotServed
from ...suite import Suite
from ...summarization.service import SummaryOptions
from ..options import GenerationJob, SentimentJob, SummarizationJob, TranslationJob, checked_options
from ..spec import JobSpec
from .services import (
    LONGEST_PIECE,
    CompressionTask,
    GenerationTask,
    PerplexityTask,
    SentimentTask,
    SummarizationTask,
    TranslationTask,
)
from .task import Task

S = TypeVar("S")


def task_of(spec: JobSpec, suite: Suite, longest_piece: int = LONGEST_PIECE) -> Task:
    """The service of a suite that answers the job's items.

    Args:
        longest_piece: tokens of a text, or of a sentence to translate.

    Raises:
        NotServed: the bundle lacks the service, or the languages.
        InvalidInput: an option can't be, or the job is of requests, which are the server's.
    """
    match checked_options(spec.service, spec.options):
        case TranslationJob() as options:
            return TranslationTask(_there(suite.translation, "translation"), options, longest_piece)
        case SentimentJob() as options:
            return SentimentTask(_there(suite.sentiment, "sentiment"), options, longest_piece)
        case SummarizationJob(method="extract"):
            return CompressionTask(_there(suite.compression, "compression"), longest_piece)
        case SummarizationJob(method="write" | "choose" as method) as options:
            own = SummaryOptions(options.max_tokens, options.beam_size, options.length_penalty, method=method)
            return SummarizationTask(_there(suite.summarization, "summarization"), own, longest_piece)
        case GenerationJob() as options:
            return GenerationTask(_there(suite.generation, "generation"), options, longest_piece)
        case _ if spec.service == "perplexity":
            return PerplexityTask(_there(suite.generation, "generation"), longest_piece)
        case _:
            raise InvalidInput(f"no task for {spec.service}", field="service")


def _there(service: S | None, name: str) -> S:
    if service is None:
        raise NotServed(f"the bundle has no {name} service")
    return service

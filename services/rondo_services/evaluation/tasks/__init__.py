"""What is measured of each task: from an output line of a job to numbers, and from their sums to metrics."""

from collections.abc import Callable

from ...errors import InvalidInput
from .compression import CompressionTask
from .generation import GenerationTask
from .perplexity import PerplexityTask
from .sentiment import SentimentTask
from .summarization import SummarizationTask
from .task import Task
from .translation import TranslationTask

_TASKS: dict[str, Callable[[], Task]] = {
    "sentiment": SentimentTask,
    "summarization": SummarizationTask,
    "compression": CompressionTask,
    "generation": GenerationTask,
    "perplexity": PerplexityTask,
}


def task_of(name: str, target_language: str | None) -> Task:
    """What is measured of a task.

    Raises:
        InvalidInput: there is nothing to measure of it, or a translation's language is not said.
    """
    if name == "translation":
        if target_language is None:
            raise InvalidInput("to measure translations, say what language they are in", field="target")
        return TranslationTask(target_language)
    if name not in _TASKS:
        raise InvalidInput(
            f"{name!r} can't be measured; choose among {', '.join(sorted([*_TASKS, 'translation']))}", field="task"
        )
    return _TASKS[name]()

"""What an evaluation needs to know of a named data set."""

from pathlib import Path
from typing import Any

from ..datasets.catalog import data_set
from ..datasets.examples import Document, Example, Labelled, Pair, Split
from ..errors import InvalidInput

_KINDS: dict[str, type[Example]] = {
    "sentiment": Labelled,
    "translation": Pair,
    "summarization": Pair,
    "generation": Document,
    "perplexity": Document,
}


def options_of(task: str, data: str, split: Split, direction: str, root: Path) -> dict[str, Any]:
    """What the data set says of how a service is to answer it; texts to translate are what they are.

    Raises:
        InvalidInput: the set is empty, or no data for the task.
        ValueError: there is no such set.
    """
    first = next(iter(data_set(data).read(root, split)), None)
    if first is None:
        raise InvalidInput(f"{data} has no {split} split", field="split")
    if not isinstance(first, _KINDS[task]):
        raise InvalidInput(f"{data} is no data for {task}", field="data")
    if task != "translation":
        return {}
    assert isinstance(first, Pair)
    languages = [first.source_language, first.target_language]
    source, target = reversed(languages) if direction == "backward" else languages
    return {"source": source, "target": target, "format": "plain"}

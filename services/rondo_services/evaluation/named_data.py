"""What an evaluation needs to know of a named data set, and the baselines that go beside a service on it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..datasets.catalog import data_set
from ..datasets.examples import Document, Example, Labelled, Pair, Split
from ..errors import InvalidInput
from .baselines.summaries import lead_words, lexrank, mean_words, nearest_neighbour
from .measuring import measure

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


def summary_baselines(data: str, root: Path, lines: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Metrics of the lead, of LexRank and of the nearest neighbour's summary, each as long as the mean of the training
    set's, on the texts of a job's output."""
    train = [pair for pair in data_set(data).read(root, "train") if isinstance(pair, Pair)]
    texts = [line["text"] for line in lines]
    num_words = mean_words(train)
    summaries = {
        f"lead-{num_words}-words": lead_words(texts, num_words),
        f"lexrank-sentence-{num_words}-words": lexrank(texts, num_words),
        "nearest-neighbour": nearest_neighbour(texts, train),
    }
    return {name: _measured(lines, own) for name, own in summaries.items()}


def _measured(lines: Sequence[Mapping[str, Any]], summaries: Sequence[str]) -> dict[str, Any]:
    """The service's own metrics of other summaries of the same texts."""
    own = ({**line, "summary": summary} for line, summary in zip(lines, summaries, strict=True))
    metrics = measure("summarization", own, num_resamples=0).metrics
    return {name: value for name, value in metrics.items() if name not in ("num_without_expected", "signatures")}

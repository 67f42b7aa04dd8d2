"""Text examples → training tasks in ids: deduplicated splits, encoded and given to the right kind of task."""

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy

from rondo_models.config import ConfigError
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_models.training.sequences import Sequences
from rondo_models.training.tasks import ClassificationTask, LanguageModelTask, Regularization, Seq2SeqTask, Task
from rondo_tokenizers.normalization import compose
from rondo_tokenizers.resegmentation import Resegmenter
from rondo_tokenizers.vocabulary import Tokenizer

from ..datasets.catalog import DATA_SETS, data_set
from ..datasets.deduplication import HeldOut
from ..datasets.examples import Document, Example, Labelled, Pair, Split
from ..datasets.translation import reversed_pair
from .recipe import DataEntry, Recipe
from .user_data import read_user_file

_SAMPLING_EXPONENT = 0.5


@dataclass(frozen=True, slots=True)
class Prepared:
    """Tasks of a recipe with their sampling weights, and what was left out of training."""

    tasks: list[Task]
    weights: list[float]
    dev_tasks: list[Task]
    left_out: dict[str, int]


def read_entry(entry: DataEntry, recipe: Recipe, root: Path | None, split: Split) -> Iterator[Example]:
    """One split of a recipe's data entry, in the asked direction."""
    if entry.set in DATA_SETS:
        if root is None:
            raise ConfigError(f"data {entry.set}: set RONDO_DATA to the folder that holds the data sets")
        examples: Iterable[Example] = data_set(entry.set).read(root, split)
    else:
        examples = read_user_file(Path(entry.set), entry, recipe.heads[entry.head], split)
    for example in examples:
        if not isinstance(example, Pair):
            yield example
            continue
        if entry.direction != "backward":
            yield example
        if entry.direction != "forward":
            yield reversed_pair(example)


def as_text(examples: Iterable[Example]) -> Iterator[Document]:
    """What a language model reads of any example."""
    for example in examples:
        match example:
            case Document():
                yield example
            case Labelled():
                yield Document((example.text,), example.language)
            case Pair():
                yield Document((example.source,), example.source_language)
                yield Document((example.target,), example.target_language)


class _Encoder:
    """Turns examples into tasks with the recipe's limits."""

    def __init__(self, recipe: Recipe, tokenizer: Tokenizer) -> None:
        self.recipe = recipe
        self.tokenizer = tokenizer

    def ids(self, text: str) -> list[int]:
        return [*self.tokenizer.encode(compose(text)), self.tokenizer.end_id]

    def first_target(self, pair: Pair, head: str) -> int:
        if head == "summarization":
            return self.tokenizer.summary_id
        if pair.target_language not in self.tokenizer.target_ids:
            known = ", ".join(self.tokenizer.target_ids)
            raise ConfigError(f"cannot translate into {pair.target_language!r}; the vocabulary has {known}")
        return self.tokenizer.target_ids[pair.target_language]

    def task(self, entry: DataEntry, examples: list[Example], *, training: bool) -> Task:
        recipe, name = self.recipe, f"{entry.head}/{Path(entry.set).name}"
        budget = entry.budget or recipe.budget
        config = recipe.heads[entry.head]
        regularization = self._regularization(entry) if training else Regularization()
        match config:
            case ClassifierConfig():
                labelled = [e for e in examples if isinstance(e, Labelled)]
                texts = Sequences.of(self.ids(e.text) for e in labelled)
                labels = [config.labels.index(e.label) for e in labelled]
                return ClassificationTask(name, entry.head, budget, texts, labels, recipe.longest, regularization)
            case LanguageModelConfig():
                if regularization != Regularization():
                    raise ConfigError(
                        f"data {entry.set}: word_dropout, dropout and subword_smoothing are not for a language model"
                    )
                stream = self._stream(as_text(examples))
                return LanguageModelTask(
                    name,
                    entry.head,
                    budget,
                    stream,
                    max(1, min(recipe.window, len(stream))),
                    self.tokenizer.start_id,
                    recipe.backward_share if training else 0.0,
                )
            case Seq2SeqConfig():
                return self._seq2seq_task(entry, name, budget, examples, regularization)

    def _regularization(self, entry: DataEntry) -> Regularization:
        smoothing = entry.subword_smoothing
        resegment = None if smoothing is None else Resegmenter(self.tokenizer, smoothing)
        return Regularization(entry.word_dropout, entry.dropout, resegment)

    def _stream(self, documents: Iterable[Document]) -> numpy.ndarray:
        parts = [self.ids(line) for document in documents for line in document.lines]
        return Sequences.of(parts).ids

    def _seq2seq_task(
        self, entry: DataEntry, name: str, budget: int, examples: list[Example], regularization: Regularization
    ) -> Task:
        sources, targets = [], []
        for pair in examples:
            assert isinstance(pair, Pair)
            source = self.ids(pair.source)
            target = [self.first_target(pair, entry.head), *self.ids(pair.target)]
            if len(source) <= self.recipe.longest and len(target) <= self.recipe.longest:
                sources.append(source)
                targets.append(target)
        return Seq2SeqTask(name, entry.head, budget, Sequences.of(sources), Sequences.of(targets), regularization)


def _drawn(examples: list[Example], most: int, seed: int) -> list[Example]:
    if most and len(examples) > most:
        return random.Random(seed).sample(examples, most)
    return examples


def prepare(recipe: Recipe, tokenizer: Tokenizer, root: Path | None) -> Prepared:
    """Read, deduplicate and encode all of a recipe's data.

    Raises:
        ConfigError: a data entry does not fit its head, or has no usable example.
    """
    listed = [(entry.head, Path(entry.set).name) for entry in recipe.data]
    if twice := sorted({f"{name} for {head}" for head, name in listed if listed.count((head, name)) > 1}):
        raise ConfigError(f"data is listed twice: {', '.join(twice)}")
    held_out = HeldOut()
    held_splits: tuple[Split, ...] = ("dev", "test")
    dev_examples: list[list[Example]] = []
    for entry in recipe.data:
        for split in held_splits:
            examples = list(read_entry(entry, recipe, root, split))
            held_out.add(examples)
            if split == "dev":
                dev_examples.append(examples)
    encoder = _Encoder(recipe, tokenizer)
    tasks, weights, dev_tasks, left_out = [], [], [], {}
    for entry, dev in zip(recipe.data, dev_examples, strict=True):
        before = held_out.num_dropped
        train = list(held_out.clean(read_entry(entry, recipe, root, "train")))
        left_out[f"{entry.head}/{entry.set}"] = held_out.num_dropped - before
        _check_fits(entry, recipe, [*train, *dev])
        task = encoder.task(entry, _drawn(train, entry.most, 1), training=True)
        if task.size == 0:
            raise ConfigError(f"data {entry.set}: no usable example for {entry.head}")
        tasks.append(task)
        weights.append(math.pow(task.size, _SAMPLING_EXPONENT) if entry.weight is None else entry.weight)
        sample = _dev_sample(dev, recipe.dev_examples)
        if sample and (dev_task := encoder.task(entry, sample, training=False)).size:
            dev_tasks.append(dev_task)
    return Prepared(tasks, weights, dev_tasks, left_out)


def _dev_sample(examples: list[Example], most: int) -> list[Example]:
    documents = [example for example in examples if isinstance(example, Document)]
    if documents:
        lines = islice((line for document in documents for line in document.lines), 4 * most)
        return [Document(tuple(lines), documents[0].language)]
    return _drawn(examples, most, 2)


def _check_fits(entry: DataEntry, recipe: Recipe, examples: Sequence[Example]) -> None:
    config = recipe.heads[entry.head]
    wanted: dict[type, type] = {ClassifierConfig: Labelled, Seq2SeqConfig: Pair}
    kind = wanted.get(type(config))
    if kind and any(not isinstance(example, kind) for example in examples[:10]):
        raise ConfigError(f"data {entry.set} does not fit the head {entry.head}")
    if isinstance(config, ClassifierConfig):
        labels = {e.label for e in examples if isinstance(e, Labelled)}
        if unknown := sorted(labels - set(config.labels)):
            raise ConfigError(f"data {entry.set}: labels {unknown} are not among {list(config.labels)}")

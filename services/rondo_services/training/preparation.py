"""Text examples → training tasks in ids: deduplicated splits, encoded and given to the right kind of task."""

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy
from numpy.typing import NDArray

from rondo_models.config import ConfigError
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_models.heads.tagger import TaggerConfig
from rondo_models.training.regularization import Regularization
from rondo_models.training.sequences import Sequences
from rondo_models.training.tasks import ClassificationTask, LanguageModelTask, Seq2SeqTask, TaggingTask, Task
from rondo_tokenizers.normalization import compose
from rondo_tokenizers.resegmentation import Resegmenter
from rondo_tokenizers.vocabulary import Tokenizer
from rondo_tokenizers.words import Span, encode_words

from ..datasets.catalog import DATA_SETS, data_set
from ..datasets.deduplication import HeldOut
from ..datasets.examples import Document, Example, Labelled, Pair, Split, TaggedWords
from ..datasets.translation import reversed_pair
from ..reading import readable
from . import prepared_file
from .held_out_rows import keep_test_rows
from .prepared_file import Arrays, EncodedEntry
from .recipe import DataEntry, Recipe
from .user_data import read_user_file

_SAMPLING_EXPONENT = 0.5


@dataclass(frozen=True, slots=True)
class Prepared:
    """Tasks of a recipe with their sampling weights, and how many examples were left out of training.

    Attributes:
        left_out: by data entry those that dev or test texts, or repetition, kept out.
        too_long: likewise those with more tokens than the recipe's `longest`.
    """

    tasks: list[Task]
    weights: list[float]
    dev_tasks: list[Task]
    left_out: dict[str, int]
    too_long: dict[str, int]


def read_entry(entry: DataEntry, recipe: Recipe, root: Path | None, split: Split) -> Iterator[Example]:
    """One split of a recipe's data entry, in the asked direction."""
    if entry.set in DATA_SETS:
        if root is None:
            raise ConfigError(
                f"data {entry.set}: set RONDO_DATA to the folder that holds the data sets (a run's folder that was "
                "prepared with them serves the same recipe, vocabulary and files)"
            )
        examples: Iterable[Example] = data_set(entry.set).examples(root, split, entry.fold)
    elif entry.fold != 1:
        raise ConfigError(f"data {entry.set}: a file has no folds, so that there is no fold {entry.fold}")
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
            case Labelled() | TaggedWords():
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

    def source_ids(self, text: str) -> list[int]:
        """Of a text as the services read it."""
        return self.ids(readable(text))

    def first_target(self, pair: Pair, head: str) -> int:
        if head == "summarization":
            return self.tokenizer.summary_id
        if pair.target_language not in self.tokenizer.target_ids:
            known = ", ".join(self.tokenizer.target_ids)
            raise ConfigError(f"cannot translate into {pair.target_language!r}; the vocabulary has {known}")
        return self.tokenizer.target_ids[pair.target_language]

    def arrays(self, entry: DataEntry, examples: list[Example]) -> Arrays:
        """A split of a data entry in ids, as `task` takes it; nothing if there is no usable example."""
        config = self.recipe.heads[entry.head]
        match config:
            case ClassifierConfig():
                labelled = [e for e in examples if isinstance(e, Labelled)]
                labels = numpy.array([config.labels.index(e.label) for e in labelled], dtype=numpy.int64)
                texts = _flat("text", [self.source_ids(e.text) for e in labelled])
                return {**texts, "labels": labels} if labelled else {}
            case LanguageModelConfig():
                lines = [self.ids(line) for document in as_text(examples) for line in document.lines]
                return {"stream": Sequences.of(lines).ids} if lines else {}
            case Seq2SeqConfig():
                return self._pairs(entry, examples)
            case TaggerConfig():
                return self._tagged([e for e in examples if isinstance(e, TaggedWords)], config.labels)

    def task(self, entry: DataEntry, arrays: Arrays, *, training: bool) -> Task:
        recipe, name = self.recipe, entry.task
        budget = entry.budget or recipe.budget
        config = recipe.heads[entry.head]
        regularization = self._regularization(entry) if training else Regularization()
        match config:
            case ClassifierConfig():
                texts, labels = _sequences("text", arrays), arrays["labels"].tolist()
                return ClassificationTask(name, entry.head, budget, texts, labels, recipe.longest, regularization)
            case LanguageModelConfig():
                stream = arrays["stream"].astype(numpy.int32)
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
                sources, targets = _sequences("source", arrays), _sequences("target", arrays)
                return Seq2SeqTask(name, entry.head, budget, sources, targets, regularization)
            case TaggerConfig():
                texts, sizes, labels = (_sequences(part, arrays) for part in ("text", "size", "label"))
                return TaggingTask(name, entry.head, budget, texts, sizes, labels, regularization)

    def _regularization(self, entry: DataEntry) -> Regularization:
        smoothing = entry.subword_smoothing
        resegment = None if smoothing is None else Resegmenter(self.tokenizer, smoothing)
        return Regularization(entry.word_dropout, entry.dropout, resegment, entry.consistency)

    def _pairs(self, entry: DataEntry, examples: list[Example]) -> Arrays:
        sources, targets = [], []
        for pair in examples:
            assert isinstance(pair, Pair)
            source = self.source_ids(pair.source)
            target = [self.first_target(pair, entry.head), *self.ids(pair.target)]
            if len(source) <= self.recipe.longest and len(target) <= self.recipe.longest:
                sources.append(source)
                targets.append(target)
        return {**_flat("source", sources), **_flat("target", targets)} if sources else {}

    def _tagged(self, examples: list[TaggedWords], names: Sequence[str]) -> Arrays:
        texts, sizes, labels = [], [], []
        for example in examples:
            words = encode_words(self.tokenizer, *_readable_words(example.text, example.spans))
            text = [*chain.from_iterable(words), self.tokenizer.end_id]
            if len(text) <= self.recipe.longest:
                texts.append(text)
                sizes.append([len(word) for word in words])
                labels.append([names.index(label) for label in example.labels])
        return {**_flat("text", texts), **_flat("size", sizes), **_flat("label", labels)} if texts else {}


def _readable_words(text: str, spans: Sequence[Span]) -> tuple[str, list[Span]]:
    """A text as the services read it, and where its words, each of which something is left of, are in that."""
    parts: list[str] = []
    places: list[Span] = []
    size = end = 0
    for begin, own_end in spans:
        gap, word = readable(text[end:begin]), readable(text[begin:own_end]) or text[begin:own_end]
        places.append((size + len(gap), size + len(gap) + len(word)))
        parts += [gap, word]
        size, end = places[-1][1], own_end
    return "".join(parts), places


def _flat(name: str, sequences: list[list[int]]) -> dict[str, NDArray[numpy.generic]]:
    flat = Sequences.of(sequences)
    return {f"{name}_ids": flat.ids, f"{name}_lengths": flat.lengths}


def _sequences(name: str, arrays: Arrays) -> Sequences:
    offsets = numpy.concatenate([[0], numpy.cumsum(arrays[f"{name}_lengths"], dtype=numpy.int64)])
    return Sequences(arrays[f"{name}_ids"].astype(numpy.int32), offsets)


def _drawn(examples: list[Example], most: int, seed: int) -> list[Example]:
    if most and len(examples) > most:
        return random.Random(seed).sample(examples, most)
    return examples


def prepare(recipe: Recipe, tokenizer: Tokenizer, root: Path | None, kept_in: Path | None = None) -> Prepared:
    """Read, deduplicate and encode all of a recipe's data.

    Args:
        kept_in: a folder where the encoded data are kept for the next time; they are read anew if the recipe, the
            vocabulary or a user's file is another.

    Raises:
        ConfigError: a data entry does not fit its head, or has no usable example.
    """
    listed = [(entry.head, Path(entry.set).name) for entry in recipe.data]
    if twice := sorted({f"{name} for {head}" for head, name in listed if listed.count((head, name)) > 1}):
        raise ConfigError(f"data is listed twice: {', '.join(twice)}")
    encoder = _Encoder(recipe, tokenizer)
    if kept_in is None:
        entries = _encode_all(recipe, encoder, root)
    else:
        mark = prepared_file.fingerprint(recipe, tokenizer.model)
        known = prepared_file.kept(kept_in, mark)
        entries = _encode_all(recipe, encoder, root) if known is None else known
        if known is None:
            prepared_file.keep(kept_in, mark, entries)
            keep_test_rows(recipe, kept_in)
    tasks, weights, dev_tasks, left_out, too_long = [], [], [], {}, {}
    for entry, encoded in zip(recipe.data, entries, strict=True):
        left_out[entry.task] = encoded.left_out
        too_long[entry.task] = encoded.too_long
        task = encoder.task(entry, encoded.train, training=True)
        tasks.append(task)
        weights.append(math.pow(task.size, _SAMPLING_EXPONENT) if entry.weight is None else entry.weight)
        if encoded.dev:
            dev_tasks.append(encoder.task(entry, encoded.dev, training=False))
    return Prepared(tasks, weights, dev_tasks, left_out, too_long)


def _encode_all(recipe: Recipe, encoder: _Encoder, root: Path | None) -> list[EncodedEntry]:
    held_out = HeldOut()
    held_splits: tuple[Split, ...] = ("dev", "test")
    dev_examples: list[list[Example]] = []
    for entry in recipe.data:
        for split in held_splits:
            examples = list(read_entry(entry, recipe, root, split))
            held_out.add(examples)
            if split == "dev":
                dev_examples.append(examples)
        if entry.set in DATA_SETS and root is not None:
            for name in DATA_SETS[entry.set].kept_apart:
                held_out.add(chain.from_iterable(data_set(name).read(root, split) for split in held_splits))
    entries = []
    for entry, dev in zip(recipe.data, dev_examples, strict=True):
        before = held_out.num_dropped
        by_source = DATA_SETS[entry.set].repeats_targets if entry.set in DATA_SETS else entry.head == "summarization"
        train = list(held_out.clean(read_entry(entry, recipe, root, "train"), by_source=by_source))
        left_out = held_out.num_dropped - before
        _check_fits(entry, recipe, [*train, *dev])
        drawn = _drawn(train, entry.most, 1)
        arrays = encoder.arrays(entry, drawn)
        too_long = len(drawn) - (_num_kept(arrays, len(drawn)) if arrays else 0)
        if not arrays:
            raise ConfigError(
                f"data {entry.set}: no usable example for {entry.head}; of those for training {left_out} are in dev or "
                f"test, too, or repeat another, and {too_long} have more than {recipe.longest} tokens (longest)"
            )
        dev_arrays = encoder.arrays(entry, _dev_sample(dev, recipe.dev_examples))
        entries.append(EncodedEntry(arrays, dev_arrays, left_out, too_long))
    return entries


def _num_kept(arrays: Arrays, num_examples: int) -> int:
    """Of so many examples those that the arrays hold; running text and labelled texts are not left out."""
    if "labels" in arrays or "stream" in arrays:
        return num_examples
    return len(arrays["source_lengths" if "source_lengths" in arrays else "text_lengths"])


def _dev_sample(examples: list[Example], most: int) -> list[Example]:
    documents = [example for example in examples if isinstance(example, Document)]
    if documents:
        lines = islice((line for document in documents for line in document.lines), 4 * most or None)
        return [Document(tuple(lines), documents[0].language)]
    return _drawn(examples, most, 2)


def _check_fits(entry: DataEntry, recipe: Recipe, examples: Sequence[Example]) -> None:
    config = recipe.heads[entry.head]
    wanted: dict[type, type] = {ClassifierConfig: Labelled, Seq2SeqConfig: Pair, TaggerConfig: TaggedWords}
    kind = wanted.get(type(config))
    if kind and any(not isinstance(example, kind) for example in examples[:10]):
        raise ConfigError(f"data {entry.set} does not fit the head {entry.head}")
    if isinstance(config, ClassifierConfig | TaggerConfig):
        labels = {e.label for e in examples if isinstance(e, Labelled)}
        labels |= {label for e in examples if isinstance(e, TaggedWords) for label in e.labels}
        if unknown := sorted(labels - set(config.labels)):
            raise ConfigError(f"data {entry.set}: labels {unknown} are not among {list(config.labels)}")

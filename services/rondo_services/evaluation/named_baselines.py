"""The baselines that go beside a service on a named data set: learned from its train split, measured on the same texts.

For sentiment and translation, training texts that dev or test has too are left out, as they are of a bundle's training.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy
from numpy.typing import NDArray

from ..datasets.catalog import data_set
from ..datasets.deduplication import HeldOut
from ..datasets.examples import Labelled, Pair, Split, TaggedWords
from ..datasets.files import DataMissing
from ..datasets.sentiment import LABELS
from ..datasets.translation import reversed_pair
from ..errors import InvalidInput
from .baselines.dictionary import NUM_ITERATIONS, Dictionary
from .baselines.lexicons import LEXICONS, best_threshold, is_installed, polarity_of
from .baselines.linear_sentiment import Counted, Decided, counted, nb_svm, tfidf_logistic_regression
from .baselines.sentence_choice import STRENGTH, chosen_sentences
from .baselines.summaries import lead_sentences, lead_words, lexrank, mean_words, nearest_neighbour
from .measuring import measure
from .stemmed_rouge import stemmed_rouge

E = TypeVar("E", Labelled, Pair, TaggedWords)
Lines = Sequence[Mapping[str, Any]]

_NEGATIVE, _POSITIVE = LABELS
_NO_METRICS = {"num_without_expected", "signatures", "confusion"}
_OF_PROBABILITIES = {"ece", "nll"}
_LINEAR: dict[str, Callable[[Counted], Decided]] = {
    "tfidf-logistic-regression": tfidf_logistic_regression,
    "nb-svm": nb_svm,
}
_FEWEST_WORDS_OF_A_SENTENCE = 10
_TRAINED_ON_WHAT_IS_MEASURED = "would be measured on the texts that it is learned from"


@dataclass(frozen=True, slots=True)
class Measured:
    """Baselines of a data set's split.

    Attributes:
        values: by name, metrics as the service's, and a `signature` of how the baseline is made.
        left_out: by name, why a baseline is not among them.
    """

    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def as_record(self) -> dict[str, Any]:
        """As it is in a report."""
        return {"baselines": self.values, **({"baselines_left_out": self.left_out} if self.left_out else {})}


def check_baselines(task: str, data: str, root: Path, split: Split) -> None:
    """Check, before a service is run, that there is something to learn its baselines from.

    Raises:
        DataMissing: there is no such file.
        InvalidInput: the split that is needed is empty.
    """
    needed: list[Split] = []
    if task == "summarization" or split != "train":
        needed.append("train")
    if task == "sentiment" and (split != "train" or _language(data) == "en"):
        needed.append("dev")
    for own in needed:
        try:
            is_empty = next(iter(data_set(data).read(root, own)), None) is None
        except DataMissing as error:
            raise DataMissing(f"{error}; baselines learn from it, and --no-baselines measures without") from error
        if is_empty:
            raise InvalidInput(f"{data} has no {own} split to learn baselines from; --no-baselines measures without")


def baselines_of(
    task: str,
    data: str,
    root: Path,
    split: Split,
    lines: Lines,
    options: Mapping[str, Any],
    *,
    with_stemmed_rouge: bool = False,
) -> Measured:
    """Measure the baselines on the texts of a job's output lines.

    Args:
        options: of the job; of translation, `source` and `target`.
        with_stemmed_rouge: of summaries.

    Raises:
        DataMissing: there is no such file.
        InvalidInput: there are none for the task.
    """
    if task == "sentiment":
        return _of_sentiment(data, root, split, lines)
    if task == "translation":
        return _of_translation(data, root, split, lines, options["source"], options["target"])
    if task == "summarization":
        return _of_summarization(data, root, split, lines, with_stemmed_rouge=with_stemmed_rouge)
    raise InvalidInput(f"there are no baselines of {task}", field="task")


def _of_sentiment(data: str, root: Path, split: Split, lines: Lines) -> Measured:
    measured = Measured()
    if split == "train":
        measured.left_out.update(dict.fromkeys(_LINEAR, _TRAINED_ON_WHAT_IS_MEASURED))
    else:
        measured.values.update(linear_baselines(data, root, lines))
    for name, library in LEXICONS.items():
        if _language(data) != "en":
            measured.left_out[name] = f"knows English only, and the texts are {_language(data)}"
        elif (labels := _labels(_examples(data, root, "dev", Labelled))) != LABELS:
            measured.left_out[name] = f"knows {_NEGATIVE} and {_POSITIVE} only, and the labels are {', '.join(labels)}"
        elif not is_installed(name):
            measured.left_out[name] = f"{library} is not installed; the extra `baselines` has it"
        else:
            measured.values[name] = _lexicon(name, _examples(data, root, "dev", Labelled), lines)
    return measured


def linear_baselines(data: str, root: Path, lines: Lines, fold: int = 1) -> dict[str, dict[str, Any]]:
    """The models of n-grams, measured on output lines of one split."""
    train, dev = training_examples(data, root, Labelled, fold), _examples(data, root, "dev", Labelled, fold)
    labels = _labels([*train, *dev])
    ngrams = counted(
        (_texts(train), _numbers(train, labels)),
        (_texts(dev), _numbers(dev, labels)),
        [line["text"] for line in lines],
        _language(data),
    )
    origin = {"train": len(train), "tuned": f"dev-{len(dev)}", "scikit-learn": version("scikit-learn")}
    values = {}
    for name, method in _LINEAR.items():
        decided = method(ngrams)
        signature = _signature({"features": ngrams.description, **decided.chosen, **origin})
        values[name] = {**_sentiment_metrics(lines, labels, decided), "signature": signature}
    return values


def _lexicon(name: str, dev: Sequence[Labelled], lines: Lines) -> dict[str, Any]:
    polarity, library = polarity_of(name), LEXICONS[name]
    threshold = best_threshold([polarity(text) for text in _texts(dev)], _numbers(dev, LABELS) == 1)
    decided = Decided(numpy.array([int(polarity(line["text"]) >= threshold) for line in lines]), None, {})
    settings = {"positive_from": round(threshold, 4), "tuned": f"dev-{len(dev)}", library: version(library)}
    return {**_sentiment_metrics(lines, LABELS, decided), "signature": _signature(settings)}


def _of_translation(data: str, root: Path, split: Split, lines: Lines, source: str, target: str) -> Measured:
    name = "ibm-model-1-dictionary"
    if split == "train":
        return Measured(left_out={name: _TRAINED_ON_WHAT_IS_MEASURED})
    train = [_directed(pair, source) for pair in training_examples(data, root, Pair)]
    dictionary = Dictionary(train)
    metrics = _metrics(
        "translation", ({**line, "translation": dictionary.translate(line["text"])} for line in lines), target
    )
    settings = {"iterations": NUM_ITERATIONS, "words": len(dictionary), "train": len(train)}
    return Measured({name: {**metrics, "signature": _signature(settings)}})


def _directed(pair: Pair, source: str) -> Pair:
    return pair if pair.source_language == source else reversed_pair(pair)


def _of_summarization(data: str, root: Path, split: Split, lines: Lines, *, with_stemmed_rouge: bool) -> Measured:
    """The lead, LexRank's sentence and the nearest neighbour's summary; the first two also as long as the mean of the
    training set's. A learned choice of a sentence where English summaries are as long as one."""
    train = _examples(data, root, "train", Pair)
    texts = [line["text"] for line in lines]
    num_words = mean_words(train)
    central = lexrank(texts)
    sumy, learn = {"sumy": version("sumy")}, {"train": len(train), "scikit-learn": version("scikit-learn")}
    summaries: dict[str, tuple[list[str], dict[str, Any]]] = {
        f"lead-{num_words}-words": (lead_words(texts, num_words), {"train": len(train)}),
        "lead-sentence": (lead_sentences(texts), {}),
        f"lexrank-sentence-{num_words}-words": (lead_words(central, num_words), {"train": len(train), **sumy}),
        "lexrank-sentence": (central, sumy),
        "nearest-neighbour": (nearest_neighbour(texts, train), learn),
    }
    measured = Measured()
    chooser = "logistic-regression-sentence"
    if data_set(data).languages != ("en",) or num_words < _FEWEST_WORDS_OF_A_SENTENCE:
        measured.left_out[chooser] = "chooses an English sentence, and the summaries are not like one"
    elif split == "train":
        measured.left_out[chooser] = _TRAINED_ON_WHAT_IS_MEASURED
    else:
        summaries[chooser] = (chosen_sentences(texts, train), {"strength": STRENGTH, **learn})
    for name, (own, settings) in summaries.items():
        changed = [{**line, "summary": summary} for line, summary in zip(lines, own, strict=True)]
        metrics = _metrics("summarization", changed)
        if with_stemmed_rouge:
            metrics |= stemmed_rouge(changed, num_resamples=0).scores
        measured.values[name] = {**metrics, "signature": _signature(settings)}
    return measured


def _examples(data: str, root: Path, split: Split, kind: type[E], fold: int = 1) -> list[E]:
    return [example for example in data_set(data).examples(root, split, fold) if isinstance(example, kind)]


def training_examples(data: str, root: Path, kind: type[E], fold: int = 1) -> list[E]:
    """The training examples that share no text with dev or test, each once.

    Raises:
        InvalidInput: none is left.
    """
    held_out = HeldOut()
    held_splits: tuple[Split, ...] = ("dev", "test")
    for split in held_splits:
        held_out.add(data_set(data).examples(root, split, fold))
    train = [own for own in held_out.clean(data_set(data).examples(root, "train", fold)) if isinstance(own, kind)]
    if not train:
        raise InvalidInput(f"all training texts of {data} are in its dev or test split; no baseline can be learned")
    return train


def _language(data: str) -> str:
    """Of a sentiment set, which all have one."""
    return data_set(data).languages[0]


def _texts(examples: Iterable[Labelled]) -> list[str]:
    return [own.text for own in examples]


def _labels(examples: Iterable[Labelled]) -> tuple[str, ...]:
    return tuple(sorted({own.label for own in examples}))


def _numbers(examples: Iterable[Labelled], labels: Sequence[str]) -> NDArray[numpy.int64]:
    return numpy.array([labels.index(own.label) for own in examples])


def _sentiment_metrics(lines: Lines, labels: Sequence[str], decided: Decided) -> dict[str, Any]:
    """Calibration and likelihood only of what has probabilities."""
    metrics = _metrics("sentiment", _labelled(lines, labels, decided))
    return {
        name: value
        for name, value in metrics.items()
        if decided.probabilities is not None or name not in _OF_PROBABILITIES
    }


def _labelled(lines: Lines, labels: Sequence[str], decided: Decided) -> Iterable[dict[str, Any]]:
    for number, (line, label) in enumerate(zip(lines, decided.labels, strict=True)):
        own = {**line, "label": labels[label], "score": 1.0, "scores": {}}
        if decided.probabilities is not None:
            own["scores"] = dict(zip(labels, map(float, decided.probabilities[number]), strict=True))
            own["score"] = own["scores"][own["label"]]
        yield own


def _metrics(task: str, lines: Iterable[Mapping[str, Any]], target_language: str | None = None) -> dict[str, Any]:
    """The service's own metrics of other answers to the same texts."""
    metrics = measure(task, lines, target_language=target_language, num_resamples=0).metrics
    return {name: value for name, value in metrics.items() if name not in _NO_METRICS}


def _signature(settings: Mapping[str, Any]) -> str:
    return "|".join(f"{name}:{value}" for name, value in settings.items())

"""A logistic regression over the hashed n-grams of a classifier's texts, added to the head that was trained before.

What gradient steps leave in the wide part is far from its optimum, which a convex fit reaches; both together are better
than either.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, assert_never, get_args

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..heads.classifier import ClassifierHead, hashed_ngrams
from ..model import RondoModel
from .sequences import Sequences, padded
from .tasks import ClassificationTask

Floats = NDArray[numpy.float64]
Hashes = NDArray[numpy.int64]
Scaling = Literal["nothing", "naive_bayes", "inverse_frequency"]

_TEXTS_AT_ONCE = 64
_IDS_AT_ONCE = 1 << 16
"""Padding included, unless one text alone has more."""
_ALL_HASHES = 1 << 40
"""More than any hash of an n-gram, so that none shares its bucket with another for its place in so many."""

_LEAST_TEXTS: dict[Scaling, int] = {"nothing": 1, "naive_bayes": 2, "inverse_frequency": 1}
"""With an n-gram, for it to count: of one text alone naive Bayes knows nothing."""

_TOLERANCE = 0.01
"""liblinear's own default in the primal; scikit-learn's is stricter and slower."""

_LARGEST_SCALE = 4.0
"""Dev texts that are all told apart would drive a factor to infinity."""


@dataclass(frozen=True, slots=True)
class NgramRegressionConfig:
    """Settings of the fit.

    Attributes:
        strength: inverse of the penalty on the squared weights (scikit-learn's C).
        scaled_by: what the features are multiplied by: "nothing"; "naive_bayes", by how much an n-gram is one label's
            (Wang & Manning 2012), so that a weight may be large at little penalty where that says so; or
            "inverse_frequency", the more the fewer texts have the n-gram, as in TF-IDF (the strength is then to be
            about a tenth of what it would be).
        smoothing: in how many more texts of either label naive Bayes takes each n-gram to be. With more of them,
            n-grams of few texts, such as names, say less.
        alone: the n-grams' weights are the regression's only; else it adds to what gradient steps made of them.
        evenness: with 0 all texts count alike, with 1 all sets, however large; in between a text of a set of n texts
            counts as n to the power of minus this.
        set_weights: by the names of sets how many times as much as that each of their texts counts; 1 of all others.
        fewest_texts: what fewer texts have than so many is left out, so that it does not fill the buckets of others.
        fewest_dev_texts: with fewer to choose both scales on, the head stays as it is.

    Raises:
        ValueError: the strength, the smoothing or a set's weight is not positive, `scaled_by` unknown, the evenness not
            from 0 to 1, or `fewest_texts` or `fewest_dev_texts` not at least 1.
    """

    strength: float = 16.0
    scaled_by: Scaling = "naive_bayes"
    smoothing: float = 1.0
    alone: bool = False
    evenness: float = 0.0
    set_weights: Mapping[str, float] = field(default_factory=dict)
    fewest_texts: int = 1
    fewest_dev_texts: int = 200

    def __post_init__(self) -> None:
        for name in ("strength", "smoothing"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        if self.scaled_by not in get_args(Scaling):
            raise ValueError(f"scaled_by must be one of {', '.join(get_args(Scaling))}, not {self.scaled_by!r}")
        if not 0 <= self.evenness <= 1:
            raise ValueError(f"evenness must be from 0 to 1, not {self.evenness}")
        if too_small := sorted(name for name, weight in self.set_weights.items() if not 0 < weight < math.inf):
            raise ValueError(f"set_weights must be positive, not so of {', '.join(too_small)}")
        for name in ("fewest_texts", "fewest_dev_texts"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class NgramRegression:
    """What was added.

    Attributes:
        before_scale: factor on the logits of the head as it was.
        ngram_scale: factor on those of the regression.
        offsets: (labels,), added to the sum: the regression takes all labels for equally frequent.
        without_dev: labels that no dev text has; their offsets are the mean of the others'.
    """

    before_scale: float
    ngram_scale: float
    offsets: tuple[float, ...]
    without_dev: tuple[str, ...]


def add_ngram_regression(
    model: RondoModel,
    head_name: str,
    tasks: Sequence[ClassificationTask],
    dev_tasks: Sequence[ClassificationTask],
    config: NgramRegressionConfig,
) -> NgramRegression | None:
    """Fit on the tasks' texts, choose both scales and the offsets on the dev texts by cross-entropy, each set counting
    alike, and put the sum into the head's own weights. None, and nothing done, if there are too few dev texts.

    The weights are the same as of one linear model beside the head, so it costs nothing more to run.

    Raises:
        ValueError: the head has no n-grams, none is in enough texts, or a set with a weight is not among the tasks'.
    """
    head = model.classifier(head_name)
    if head.ngrams is None:
        raise ValueError(f"the head {head_name} has no n-grams (ngram_buckets is 0)")
    if sum(task.size for task in dev_tasks) < config.fewest_dev_texts:
        return None
    weights, biases = _fit(head, tasks, config)
    sets = [_Dev(*_dev_logits(model, head, task, weights, biases), task.labels) for task in dev_tasks]
    chosen = _choose(sets, head.config.labels)
    with torch.no_grad():
        for parameter in (head.output.weight, head.output.bias, head.ngrams.weight):
            parameter.mul_(chosen.before_scale)
        offset = chosen.ngram_scale * biases + torch.tensor(chosen.offsets)
        head.output.bias.add_(offset.to(head.output.bias))
        head.ngrams.weight.add_(chosen.ngram_scale * weights.to(head.ngrams.weight))
    return chosen


def ngram_features(head: ClassifierHead, texts: Sequences, counting: Hashes | None = None) -> Any:
    """Sparse (texts, buckets): how often each bucket's n-grams occur (or 1, if the head counts each once), over the
    square root of the text's number of n-grams, as the head counts them.

    Args:
        counting: the n-grams that are not left out, sorted; None: all.
    """
    from scipy.sparse import csr_matrix

    num_buckets = head.config.ngram_buckets
    rows, columns, scales = [], [], []
    for start, hashes, mask in _hashes(head, texts):
        own_rows, places = mask.nonzero()
        own = hashes[own_rows, places]
        counted = slice(None) if counting is None else _is_among(own, counting)
        rows.append(own_rows[counted] + start)
        columns.append(own[counted] % num_buckets)
        scales.append(1 / numpy.sqrt(mask.sum(axis=1, dtype=numpy.float32)))
    of_text, indices = numpy.concatenate(scales), (numpy.concatenate(rows), numpy.concatenate(columns))
    features = csr_matrix((of_text[indices[0]], indices), shape=(len(texts), num_buckets))
    if head.config.each_ngram_once:
        features.data = numpy.repeat(of_text, numpy.diff(features.indptr))
    return features


def _hashes(head: ClassifierHead, texts: Sequences) -> Iterator[tuple[int, Hashes, NDArray[numpy.bool_]]]:
    """Of some texts at a time the number of the first, and their n-grams (texts, n-grams) with a mask."""
    device = head.output.weight.device
    for start, end in _read_at_once(texts.lengths.tolist()):
        ids, lengths = padded([texts[index] for index in range(start, end)], 0)
        units = head.ngram_units(ids.to(device), lengths.to(device))
        hashes, mask = hashed_ngrams(*units, head.config.longest_ngram, _ALL_HASHES)
        yield start, hashes.cpu().numpy(), mask.cpu().numpy()


def _read_at_once(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Neighbours, by their first and the one after the last, that fit into memory beside each other."""
    start, longest = 0, 0
    for index, length in enumerate(lengths):
        count, longest = index - start, max(longest, length)
        if count and (count == _TEXTS_AT_ONCE or longest * (count + 1) > _IDS_AT_ONCE):
            yield start, index
            start, longest = index, length
    if start < len(lengths):
        yield start, len(lengths)


def _is_among(hashes: Hashes, ordered: Hashes) -> NDArray[numpy.bool_]:
    """Which of the hashes are in a sorted array."""
    if not len(ordered):
        return numpy.zeros(len(hashes), dtype=numpy.bool_)
    places = numpy.searchsorted(ordered, hashes)
    among: NDArray[numpy.bool_] = ordered.take(places, mode="clip") == hashes
    return among


def _ngrams_of_texts(head: ClassifierHead, tasks: Sequence[ClassificationTask], fewest: int) -> Hashes:
    """The n-grams, sorted, that at least so many of the tasks' texts have."""
    each = []
    for task in tasks:
        for _, hashes, mask in _hashes(head, task.texts):
            own = numpy.sort(numpy.where(mask, hashes, -1), axis=1)
            is_first = numpy.diff(own, axis=1, prepend=-1) != 0
            each.append(own[is_first])
    ngrams, num_texts = numpy.unique(numpy.concatenate(each), return_counts=True)
    return ngrams[num_texts >= fewest]


def _fit(
    head: ClassifierHead, tasks: Sequence[ClassificationTask], config: NgramRegressionConfig
) -> tuple[Tensor, Tensor]:
    """Weights (buckets, labels) and biases (labels,): one label against the others, as many models as it takes."""
    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression

    shape = head.config
    counting = _ngrams_of_texts(head, tasks, config.fewest_texts) if config.fewest_texts > 1 else None
    features = vstack([ngram_features(head, task.texts, counting) for task in tasks])
    labels = numpy.concatenate([task.labels.numpy() for task in tasks])
    balance = _balance([task.labels.numpy() for task in tasks], config.evenness, _set_weights(tasks, config))
    num_texts = numpy.bincount(features.indices, minlength=features.shape[1])
    used = numpy.flatnonzero(num_texts >= _LEAST_TEXTS[config.scaled_by])
    if not len(used):
        raise ValueError(f"no n-gram is in {config.fewest_texts} texts or more, so that there is nothing to fit")
    features = features.tocsc()[:, used].tocsr()
    known = numpy.unique(labels).tolist()
    weights, biases = torch.zeros(shape.ngram_buckets, len(shape.labels)), torch.zeros(len(shape.labels))
    for label in known if len(known) > 2 else known[1:]:
        scales = _feature_scales(features, labels == label, balance, config)
        model = LogisticRegression(C=config.strength, solver="liblinear", tol=_TOLERANCE)
        model.fit(features.multiply(scales).tocsr(), labels == label, sample_weight=balance)
        weights[torch.from_numpy(used), label] = torch.from_numpy(scales * model.coef_[0]).float()
        biases[label] = float(model.intercept_[0])
    if len(known) == 2:
        return _shared_evenly(weights, known[0], known[1]), _shared_evenly(biases, known[0], known[1])
    return weights, biases


def _feature_scales(
    features: Any, right: NDArray[numpy.bool_], balance: Floats, config: NgramRegressionConfig
) -> Floats:
    """(buckets,)."""
    match config.scaled_by:
        case "nothing":
            return numpy.ones(features.shape[1])
        case "naive_bayes":
            return _log_count_ratios(features, right, balance, config.smoothing)
        case "inverse_frequency":
            return _inverse_frequencies(features)
        case _:
            assert_never(config.scaled_by)


def _log_count_ratios(features: Any, right: NDArray[numpy.bool_], balance: Floats, smoothing: float) -> Floats:
    """(buckets,): log of a bucket's share of the texts of one label to that of the others'."""
    occurring = features.copy()
    occurring.data[:] = 1
    here, elsewhere = (smoothing + occurring[own].T @ balance[own] for own in (right, ~right))
    ratios: Floats = numpy.log((here / here.sum()) / (elsewhere / elsewhere.sum()))
    return ratios


def _inverse_frequencies(features: Any) -> Floats:
    """(buckets,): 1 for what every text has, and e-fold fewer texts make it 1 more."""
    num_texts = numpy.bincount(features.indices, minlength=features.shape[1])
    weights: Floats = numpy.log((1 + features.shape[0]) / (1 + num_texts)) + 1
    return weights


def _set_weights(tasks: Sequence[ClassificationTask], config: NgramRegressionConfig) -> list[float]:
    names = [task.name.rpartition("/")[2] for task in tasks]
    if unknown := sorted(config.set_weights.keys() - set(names)):
        raise ValueError(f"set_weights: there is no set {', '.join(unknown)}; sets are {', '.join(names)}")
    return [config.set_weights.get(name, 1.0) for name in names]


def _balance(labels: Sequence[NDArray[numpy.int64]], evenness: float, set_weights: Sequence[float]) -> Floats:
    """(texts of all sets,): weights with which each label of a set counts alike, with a mean of 1."""
    weights = []
    for own, weight in zip(labels, set_weights, strict=True):
        counts = numpy.bincount(own)
        weights.append(weight * len(own) ** -evenness * len(own) / (numpy.count_nonzero(counts) * counts[own]))
    joined = numpy.concatenate(weights)
    even: Floats = joined / joined.mean()
    return even


def _shared_evenly(log_odds: Tensor, first: int, second: int) -> Tensor:
    """A two-class model's log-odds as half for the one label and half against the other."""
    log_odds[..., second] /= 2
    log_odds[..., first] = -log_odds[..., second]
    return log_odds


@dataclass(frozen=True, slots=True)
class _Dev:
    """One set's logits (texts, labels) before and of the regression alone, and its labels (texts,)."""

    before: Tensor
    ngrams: Tensor
    labels: Tensor


def _dev_logits(
    model: RondoModel, head: ClassifierHead, task: ClassificationTask, weights: Tensor, biases: Tensor
) -> tuple[Tensor, Tensor]:
    config = head.config
    model.eval()
    device, pad_id = model.backbone.embedding.weight.device, model.backbone.config.pad_id
    rng = numpy.random.default_rng(0)
    before = torch.zeros(task.size, len(config.labels))
    with torch.no_grad():
        for batch in task.batches(rng, training=False):
            tensors = task.draw(batch, rng, pad_id, training=False).to(device).tensors
            before[batch] = head(model.backbone.encode(tensors["ids"], tensors["lengths"])).cpu()
    features = ngram_features(head, task.texts)
    return before, torch.from_numpy(features @ weights.double().numpy()).float() + biases


def _choose(sets: Sequence[_Dev], names: Sequence[str]) -> NgramRegression:
    """The two positive factors, and offsets, whose sum of logits has the least cross-entropy.

    A label that no dev text has would get an offset of minus infinity, and so never be answered.
    """
    is_known = torch.zeros(len(names), dtype=torch.bool)
    is_known[torch.cat([own.labels for own in sets])] = True
    logarithms = torch.zeros(2, requires_grad=True)
    free = torch.zeros(len(names), requires_grad=True)
    optimizer = torch.optim.LBFGS([logarithms, free], max_iter=100, line_search_fn="strong_wolfe")

    def offsets() -> Tensor:
        return free if is_known.all() else torch.where(is_known, free, free[is_known].mean())

    def closure() -> Tensor:
        optimizer.zero_grad()
        before, ngrams = logarithms.exp()
        sums = [before * own.before + ngrams * own.ngrams + offsets() for own in sets]
        losses = [functional.cross_entropy(logits, own.labels) for logits, own in zip(sums, sets, strict=True)]
        total = torch.stack(losses).mean()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    before, ngrams = logarithms.detach().exp().clamp(max=_LARGEST_SCALE).tolist()
    without_dev = tuple(name for name, known in zip(names, is_known.tolist(), strict=True) if not known)
    return NgramRegression(before, ngrams, tuple(offsets().detach().tolist()), without_dev)

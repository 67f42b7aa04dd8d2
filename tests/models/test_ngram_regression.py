"""The regression is the optimum of what the head computes, is added to what was there, and helps."""

import copy

import numpy
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch.nn import functional

from rondo_models.backbone import BackboneConfig
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.model import RondoModel
from rondo_models.training.ngram_regression import (
    NgramRegressionConfig,
    Scaling,
    add_ngram_regression,
    ngram_features,
)
from rondo_models.training.sequences import Sequences, padded
from rondo_models.training.tasks import ClassificationTask
from rondo_models.training.trainer import evaluate_tasks

BUCKETS = 4096


def _model(labels: tuple[str, ...], buckets: int = BUCKETS, *, once: bool = False) -> RondoModel:
    torch.manual_seed(0)
    config = ClassifierConfig(labels, hidden_size=4, ngram_buckets=buckets, longest_ngram=2, each_ngram_once=once)
    model = RondoModel(BackboneConfig(40, embedding_size=4, hidden_size=4), {"sentiment": config})
    ngrams = model.classifier("sentiment").ngrams
    if ngrams is not None:
        torch.nn.init.normal_(ngrams.weight, std=0.1)
    return model.eval()


def _task(num_labels: int, size: int, seed: int, first_share: float = 0.5) -> ClassificationTask:
    """Texts whose label is told by one token; that of label 0 has `first_share`."""
    rng = numpy.random.default_rng(seed)
    shares = [first_share, *[(1 - first_share) / (num_labels - 1)] * (num_labels - 1)]
    labels = rng.choice(num_labels, size, p=shares)
    texts = [[*rng.integers(10, 40, rng.integers(2, 9)).tolist(), 4 + label, 3] for label in labels]
    return ClassificationTask("c", "sentiment", 200, Sequences.of(texts), labels.tolist(), 30)


def _logits(model: RondoModel, task: ClassificationTask) -> torch.Tensor:
    with torch.inference_mode():
        head = model.classifier("sentiment")
        ids, lengths = padded([task.texts[index] for index in range(task.size)], 0)
        logits: torch.Tensor = head(model.backbone.encode(ids, lengths))
        return logits.clone()


@pytest.mark.parametrize("once", [False, True])
def test_features_are_those_of_the_head(once: bool) -> None:
    model, task = _model(("a", "b"), 50, once=once), _task(2, 150, 1)
    head = model.classifier("sentiment")
    assert head.ngrams is not None
    features = ngram_features(head, task.texts)
    ids, lengths = padded([task.texts[index] for index in range(task.size)], 0)
    sums, numbers = head.ngram_sums(ids, lengths)
    expected = features @ head.ngrams.weight.detach().numpy()
    torch.testing.assert_close(sums / numbers.sqrt(), torch.from_numpy(expected), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("num_labels", [2, 3])
@pytest.mark.parametrize("scaled_by", ["nothing", "naive_bayes", "inverse_frequency"])
def test_it_learns_what_gradient_steps_left(num_labels: int, scaled_by: Scaling) -> None:
    model = _model(tuple("abc"[:num_labels]))
    dev = _task(num_labels, 300, 2)
    before = evaluate_tasks(model, [dev], low_precision=False)["c"]
    config = NgramRegressionConfig(scaled_by=scaled_by)
    assert add_ngram_regression(model, "sentiment", [_task(num_labels, 600, 1)], [dev], config) is not None
    after = evaluate_tasks(model, [dev], low_precision=False)["c"]
    assert before["accuracy"] < 0.7
    assert after["accuracy"] > 0.97
    assert after["loss"] < before["loss"] / 2


def test_the_head_before_is_a_part_of_the_sum() -> None:
    model, dev = _model(("a", "b")), _task(2, 300, 2)
    alone = copy.deepcopy(model)
    ngrams = alone.classifier("sentiment").ngrams
    assert ngrams is not None
    before, old_table = _logits(model, dev), ngrams.weight.detach().clone()
    added = add_ngram_regression(model, "sentiment", [_task(2, 600, 1)], [dev], NgramRegressionConfig())
    new = model.classifier("sentiment").ngrams
    assert added is not None
    assert new is not None
    table = (new.weight.detach() - added.before_scale * old_table) / added.ngram_scale
    own = torch.from_numpy(ngram_features(alone.classifier("sentiment"), dev.texts) @ table.numpy())
    rest = _logits(model, dev) - added.before_scale * before - added.ngram_scale * own
    # What is left is the same for all texts: the biases.
    torch.testing.assert_close(rest, rest[:1].expand_as(rest), atol=1e-4, rtol=1e-3)


def test_frequencies_of_labels_are_those_of_dev() -> None:
    """The regression takes both labels for equally frequent, in a training set that holds one nine times as often."""
    model, dev = _model(("a", "b")), _task(2, 1000, 2, first_share=0.2)
    dev.texts.ids[(dev.texts.ids == 4) | (dev.texts.ids == 5)] = 6  # nothing tells the labels apart
    assert add_ngram_regression(model, "sentiment", [_task(2, 600, 1, 0.9)], [dev], NgramRegressionConfig())
    share = _logits(model, dev).softmax(dim=-1)[:, 0].mean()
    assert float(share) == pytest.approx(float((dev.labels == 0).float().mean()), abs=0.02)


def test_too_few_dev_texts_change_nothing() -> None:
    model, dev = _model(("a", "b")), _task(2, 30, 2)
    before = _logits(model, dev)
    assert add_ngram_regression(model, "sentiment", [_task(2, 60, 1)], [dev], NgramRegressionConfig()) is None
    torch.testing.assert_close(_logits(model, dev), before, atol=0, rtol=0)


def test_dev_texts_that_are_all_told_apart_do_not_drive_a_scale_to_infinity() -> None:
    model = _model(("a", "b"))
    added = add_ngram_regression(
        model, "sentiment", [_task(2, 900, 1)], [_task(2, 200, 3)], NgramRegressionConfig(64.0)
    )
    assert added is not None
    assert max(added.before_scale, added.ngram_scale) <= 4
    assert functional.cross_entropy(_logits(model, _task(2, 200, 4)), _task(2, 200, 4).labels) < 0.2


def test_a_head_without_ngrams_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the head sentiment has no n-grams \(ngram_buckets is 0\)"):
        add_ngram_regression(_model(("a", "b"), 0), "sentiment", [], [], NgramRegressionConfig())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("strength", 0.0),
        ("smoothing", 0.0),
        ("set_weights", {"a": 0.0}),
        ("scaled_by", "chance"),
        ("evenness", 1.1),
        ("fewest_texts", 0),
        ("fewest_dev_texts", 0),
    ],
)
def test_settings_that_cannot_be(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        NgramRegressionConfig(**{name: value})  # type: ignore[arg-type]


def test_what_few_texts_have_is_left_out() -> None:
    """The tokens 38 and 39 are in two texts and in one: with three at least neither has a weight."""
    train, dev = _task(2, 400, 1), _task(2, 300, 2)
    train.texts.ids[numpy.isin(train.texts.ids, (38, 39))] = 12
    for text, token in enumerate((38, 38, 39)):
        train.texts[text][0] = token
    weights = {}
    for fewest in (1, 2, 3):
        model = _model(("a", "b"))
        ngrams = model.classifier("sentiment").ngrams
        assert ngrams is not None
        torch.nn.init.zeros_(ngrams.weight)
        settings = NgramRegressionConfig(scaled_by="nothing", fewest_texts=fewest)
        assert add_ngram_regression(model, "sentiment", [train], [dev], settings) is not None
        bucket = {token: ((token + 1) * 31 + 1) % BUCKETS for token in (4, 38, 39)}
        weights[fewest] = {token: float(ngrams.weight.detach()[bucket[token], 0]) != 0 for token in bucket}
    assert weights == {
        1: {4: True, 38: True, 39: True},
        2: {4: True, 38: True, 39: False},
        3: {4: True, 38: False, 39: False},
    }


def test_smoothed_ngrams_of_few_texts_say_less() -> None:
    """The token 39 is in three texts of one label, 4 in 200."""
    weights = {}
    for smoothing in (1.0, 20.0):
        train, dev = _task(2, 400, 1), _task(2, 300, 2)
        train.texts.ids[train.texts.ids == 39] = 12
        for text in numpy.flatnonzero(train.labels.numpy() == 0)[:3]:
            train.texts[text][0] = 39
        model = _model(("a", "b"))
        ngrams = model.classifier("sentiment").ngrams
        assert ngrams is not None
        torch.nn.init.zeros_(ngrams.weight)
        settings = NgramRegressionConfig(smoothing=smoothing)
        assert add_ngram_regression(model, "sentiment", [train], [dev], settings) is not None
        table = ngrams.weight.detach()
        rare, frequent = (float(table[((token + 1) * 31 + 1) % BUCKETS, 0]) for token in (39, 4))
        weights[smoothing] = rare / frequent
    assert 0 < weights[20.0] < weights[1.0] / 4


def test_a_small_set_counts_as_much_as_a_large_one_if_all_are_even() -> None:
    """The sets say the opposite of each other; the small one is a twentieth of the large one."""
    large, small, dev = _task(2, 2000, 1), _task(2, 100, 3), _task(2, 300, 2)
    small.labels = 1 - small.labels
    sizes = []
    for evenness in (0.0, 1.0):
        model = _model(("a", "b"))
        ngrams = model.classifier("sentiment").ngrams
        assert ngrams is not None
        torch.nn.init.zeros_(ngrams.weight)
        settings = NgramRegressionConfig(scaled_by="nothing", evenness=evenness)
        assert add_ngram_regression(model, "sentiment", [large, small], [dev], settings) is not None
        token = ((4 + 1) * 31 + 1) % BUCKETS
        sizes.append(float(ngrams.weight.detach()[token, 0] - ngrams.weight.detach()[token, 1]))
    counted_alike, even = sizes
    assert counted_alike > 1
    assert abs(even) < counted_alike / 2


def test_a_set_may_have_a_weight_of_its_own() -> None:
    """The sets say the opposite of each other, so whichever has the greater weight decides."""
    one, other, dev = _task(2, 400, 1), _task(2, 400, 3), _task(2, 300, 2)
    other.labels = 1 - other.labels
    one.name, other.name = "sentiment/one", "sentiment/other"
    differences = []
    for weight in (0.1, 10.0):
        model = _model(("a", "b"))
        ngrams = model.classifier("sentiment").ngrams
        assert ngrams is not None
        torch.nn.init.zeros_(ngrams.weight)
        settings = NgramRegressionConfig(scaled_by="nothing", set_weights={"other": weight})
        assert add_ngram_regression(model, "sentiment", [one, other], [dev], settings) is not None
        token = ((4 + 1) * 31 + 1) % BUCKETS
        differences.append(float(ngrams.weight.detach()[token, 0] - ngrams.weight.detach()[token, 1]))
    assert differences[0] > 0 > differences[1]
    with pytest.raises(ValueError, match="set_weights: there is no set third; sets are one, other"):
        add_ngram_regression(
            _model(("a", "b")), "sentiment", [one, other], [dev], NgramRegressionConfig(set_weights={"third": 2.0})
        )


def test_nothing_that_enough_texts_have_is_refused() -> None:
    settings = NgramRegressionConfig(fewest_texts=1000)
    with pytest.raises(ValueError, match="no n-gram is in 1000 texts or more"):
        add_ngram_regression(_model(("a", "b")), "sentiment", [_task(2, 60, 1)], [_task(2, 300, 2)], settings)


def test_by_inverse_frequency_it_is_the_fit_of_weighted_features() -> None:
    model, train, dev = _model(("a", "b")), _task(2, 400, 1), _task(2, 300, 2)
    ngrams = model.classifier("sentiment").ngrams
    assert ngrams is not None
    torch.nn.init.zeros_(ngrams.weight)
    features = ngram_features(model.classifier("sentiment"), train.texts).toarray()
    weights = numpy.log(401 / (1 + (features > 0).sum(axis=0))) + 1
    reference = LogisticRegression(C=0.5, solver="liblinear", tol=1e-4)
    reference.fit(features * weights, train.labels.numpy(), sample_weight=_balanced(train.labels.numpy()))
    expected = torch.from_numpy(reference.coef_[0] * weights).float()
    settings = NgramRegressionConfig(strength=0.5, scaled_by="inverse_frequency")
    assert add_ngram_regression(model, "sentiment", [train], [dev], settings) is not None
    found = ngrams.weight.detach()[:, 1] - ngrams.weight.detach()[:, 0]
    assert float(functional.cosine_similarity(found, expected, dim=0)) > 0.999


def _balanced(labels: NDArray[numpy.int64]) -> NDArray[numpy.float64]:
    weights: NDArray[numpy.float64] = len(labels) / (2 * numpy.bincount(labels)[labels])
    return weights


def test_a_label_without_dev_texts_is_still_answered() -> None:
    """Its offset had no bound: whatever made it less likely made the dev texts likelier."""
    model, dev = _model(("a", "b", "c")), _task(3, 400, 2)
    known = [index for index in range(dev.size) if int(dev.labels[index]) != 2]
    texts = Sequences.of(dev.texts[index].tolist() for index in known)
    dev = ClassificationTask("c", "sentiment", 200, texts, dev.labels[known].tolist(), 30)
    added = add_ngram_regression(model, "sentiment", [_task(3, 600, 1)], [dev], NgramRegressionConfig())
    assert added is not None
    assert added.without_dev == ("c",)
    assert added.offsets[2] == pytest.approx((added.offsets[0] + added.offsets[1]) / 2, abs=1e-5)
    unseen = _task(3, 300, 3)
    own = unseen.labels == 2
    assert float((_logits(model, unseen).argmax(dim=-1) == 2)[own].float().mean()) > 0.95


def test_a_long_text_is_not_read_beside_many_others(monkeypatch: pytest.MonkeyPatch) -> None:
    head, texts = _model(("a", "b")).classifier("sentiment"), _task(2, 150, 1).texts
    together = ngram_features(head, texts)
    read: list[tuple[int, ...]] = []

    def noted(sequences: list[NDArray[numpy.int32]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
        read.append(tuple(map(len, sequences)))
        return padded(sequences, pad_id)

    monkeypatch.setattr("rondo_models.training.ngram_regression._IDS_AT_ONCE", 12)
    monkeypatch.setattr("rondo_models.training.ngram_regression.padded", noted)
    assert (ngram_features(head, texts) != together).nnz == 0
    assert [length for lengths in read for length in lengths] == texts.lengths.tolist()
    assert all(len(lengths) == 1 or len(lengths) * max(lengths) <= 12 for lengths in read)

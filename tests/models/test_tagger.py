"""The tagger head and its training: a label belongs to a word, however many pieces the word is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from rondo_models.backbone import BackboneConfig
from rondo_models.bundle import load_bundle, save_bundle
from rondo_models.config import ConfigError
from rondo_models.heads.tagger import TaggerConfig, WordPlaces
from rondo_models.manifest import Manifest
from rondo_models.model import RondoModel, head_config
from rondo_models.training.drawing import Drawn
from rondo_models.training.regularization import Noise, Regularization
from rondo_models.training.sequences import IdArray, Sequences, padded
from rondo_models.training.tasks import TaggingTask
from rondo_models.training.trainer import Trainer, TrainingConfig, evaluate_tasks

END = 3
LABELS = ("delete", "keep")
TRANSFORMER: dict[str, Any] = {
    "encoder": "transformer",
    "encoder_layers": 1,
    "encoder_heads": 3,
    "feedforward_size": 20,
}

Text = list[list[int]]
"""Pieces of each word."""


def _model(recurrent_size: int = 6, **backbone: Any) -> RondoModel:
    torch.manual_seed(0)
    config = BackboneConfig(**{"vocabulary_size": 20, "embedding_size": 12, "hidden_size": 16, **backbone})
    return RondoModel(config, {"compression": TaggerConfig(LABELS, recurrent_size, 8)}).eval()


def _texts(count: int, seed: int) -> list[Text]:
    rng = numpy.random.default_rng(seed)
    return [[rng.integers(4, 20, rng.integers(1, 4)).tolist() for _ in range(rng.integers(1, 7))] for _ in range(count)]


def _label(word: list[int]) -> int:
    """The first piece and the last one decide together."""
    return int(word[0] + word[-1] > 23)


def _task(texts: list[Text], own: Regularization | None = None, budget: int = 200) -> TaggingTask:
    return TaggingTask(
        "t",
        "compression",
        budget,
        Sequences.of([*(piece for word in text for piece in word), END] for text in texts),
        Sequences.of([len(word) for word in text] for text in texts),
        Sequences.of([_label(word) for word in text] for text in texts),
        own,
    )


def _logits(model: RondoModel, drawn: Drawn) -> Tensor:
    ids, lengths, firsts, lasts, num_words = (
        drawn.tensors[name] for name in ("ids", "lengths", "firsts", "lasts", "num_words")
    )
    with torch.inference_mode():
        logits: Tensor = model.tagger("compression")(
            model.backbone.encode(ids, lengths), WordPlaces(firsts, lasts, num_words)
        )
    return logits


def _draw(task: TaggingTask, count: int) -> Drawn:
    return task.draw(numpy.arange(count), numpy.random.default_rng(1), 0, training=True)


def test_a_word_is_the_forward_state_after_it_beside_the_backward_state_before_it() -> None:
    model = _model()
    ids, lengths = padded([[4, 5, 6, 7, END]], 0)
    places = WordPlaces(torch.tensor([[0, 1]]), torch.tensor([[0, 3]]), torch.tensor([2]))
    with torch.inference_mode():
        words = model.tagger("compression").words(model.backbone.encode(ids, lengths), places)
        read, _ = model.backbone.advance(ids[:, :4])
        read_back = model.backbone.read_backward(ids[:, 1:], lengths - 1)
    torch.testing.assert_close(words[0, 1], torch.cat([read[0, -1], read_back[0, 0]]))


@pytest.mark.parametrize("backbone", [{}, {"cell": "gru", "num_layers": 2}, {"cell": "sru"}, TRANSFORMER])
@pytest.mark.parametrize("recurrent_size", [0, 6])
def test_a_text_in_a_batch_is_tagged_as_it_is_alone(backbone: dict[str, Any], recurrent_size: int) -> None:
    model, texts = _model(recurrent_size, **backbone), [[[4], [5, 6]], [[7, 8, 9]], [[4]] * 9]
    together = _logits(model, _draw(_task(texts), 3))
    for row, text in enumerate(texts):
        alone = _logits(model, _draw(_task([text]), 1))
        torch.testing.assert_close(together[row, : len(text)], alone[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("backbone", [{}, TRANSFORMER])
def test_a_bundle_tags_as_the_model_that_it_was_saved_from(tmp_path: Path, backbone: dict[str, Any]) -> None:
    model, drawn = _model(**backbone), _draw(_task(_texts(8, 2)), 8)
    with torch.no_grad():
        for parameter in model.parameters():  # as it is kept
            parameter.copy_(parameter.bfloat16().float())
    save_bundle(tmp_path, Manifest("tiny", "1.0", ("en",), {}), model, b"vocabulary", "# card")
    loaded = load_bundle(tmp_path).model
    assert loaded.tagger("compression").config == model.tagger("compression").config
    assert torch.equal(_logits(loaded, drawn), _logits(model, drawn))


def test_training_learns_labels_of_words_of_several_pieces(tmp_path: Path) -> None:
    model = RondoModel(
        BackboneConfig(20, embedding_size=24, hidden_size=24, dropout=0.0),
        {"compression": TaggerConfig(LABELS, 0, 32, dropout=0.0)},
    )
    config = TrainingConfig(
        steps=100, learning_rate=2e-2, warmup_steps=10, word_dropout=0.0, ema_decay=0.9, micro_batches=1,
        bfloat16=False, checkpoint_every=1000, log_every=500,
    )  # fmt: skip
    Trainer(model, [_task(_texts(3000, 3), budget=600)], [1.0], [], config, tmp_path).run()
    unseen = _texts(200, 4)
    measured = evaluate_tasks(model, [_task(unseen)], low_precision=False)["t"]
    assert measured["accuracy"] > 0.95
    right = num_words = 0
    drawn = _draw(_task(unseen), 200)
    for row, text in enumerate(unseen):
        tags = _logits(model, drawn)[row].argmax(dim=-1).tolist()
        right += sum(tag == _label(word) for tag, word in zip(tags, text, strict=False))
        num_words += len(text)
    assert measured["accuracy"] == pytest.approx(right / num_words)


def test_words_in_newly_drawn_pieces_keep_their_labels() -> None:
    def twice(ids: IdArray, rng: NDArray[numpy.generic]) -> IdArray:
        return numpy.repeat(ids, 2)

    texts: list[Text] = [[[4, 5], [6]], [[19, 8, 18], [7], [17]]]
    own = Regularization(resegment=twice)  # type: ignore[arg-type]
    drawn = _draw(_task(texts, own), 2)
    assert drawn.tensors["ids"].tolist() == [
        [4, 4, 5, 5, 6, 6, END, 0, 0, 0, 0],
        [19, 19, 8, 8, 18, 18, 7, 7, 17, 17, END],
    ]
    assert drawn.tensors["firsts"].tolist() == [[0, 4, 0], [0, 6, 8]]
    assert drawn.tensors["lasts"][1].tolist() == [5, 7, 9]
    assert drawn.tensors["labels"].tolist() == [[0, 0, 0], [1, 0, 1]]
    assert (drawn.num_targets, drawn.num_tokens) == (5, 18)
    assert drawn.tensors["real"].tolist() == [0, 1, 3, 4, 5]


def _objective(own: Regularization, *, training: bool = True) -> float:
    model = _model()
    model.training = training  # its parts are not: they drop nothing
    torch.manual_seed(3)
    task = _task(_texts(8, 2), own)
    return float(task.loss(model, _draw(task, 8), Noise()).objective.detach())


@pytest.mark.parametrize(
    "own",
    [
        Regularization(word_dropout=0.9),
        Regularization(dropout=0.9),
        Regularization(resegment=lambda ids, _: ids[::-1]),
    ],
)
def test_a_set_has_its_own_noise(own: Regularization) -> None:
    assert abs(_objective(own) - _objective(Regularization())) > 1e-4


def test_two_passes_shall_say_the_same() -> None:
    """Without noise both passes agree and the loss is the plain one; with noise their divergence is added."""
    plain = _objective(Regularization())
    assert _objective(Regularization(consistency=5.0)) == pytest.approx(plain, abs=1e-5)
    weak, strong = (_objective(Regularization(word_dropout=0.5, consistency=own)) for own in (1e-9, 5.0))
    assert strong > weak + 1e-5
    noisy = Regularization(word_dropout=0.5)
    assert _objective(replace(noisy, consistency=5.0), training=False) == _objective(noisy, training=False)


def test_a_label_that_counts_more_is_chosen_more_often(tmp_path: Path) -> None:
    """Of words that say nothing of their label, half are kept: their odds are those of the weights."""
    texts: list[Text] = [[[5]] * 8] * 40
    labels = Sequences.of([0, 1] * 4 for _ in texts)
    chosen = {}
    for weights in ((1.0, 3.0), (3.0, 1.0)):
        torch.manual_seed(0)
        head = TaggerConfig(LABELS, 0, 4, dropout=0.0, label_weights=weights)
        model = RondoModel(BackboneConfig(20, embedding_size=4, hidden_size=4, dropout=0.0), {"compression": head})
        task = _task(texts)
        task.labels = labels
        config = TrainingConfig(
            steps=60, learning_rate=3e-2, warmup_steps=1, word_dropout=0.0, ema_decay=0.5, micro_batches=1,
            bfloat16=False, checkpoint_every=1000, log_every=500,
        )  # fmt: skip
        Trainer(model, [task], [1.0], [], config, tmp_path / str(weights[0])).run()
        chosen[weights] = float(_logits(model.eval(), _draw(task, 4)).softmax(dim=-1)[..., 1].mean())
    assert chosen[1.0, 3.0] == pytest.approx(0.75, abs=0.05)
    assert chosen[3.0, 1.0] == pytest.approx(0.25, abs=0.05)


def test_heads_that_differ_in_noise_alone_have_the_same_weights() -> None:
    shape = TaggerConfig(LABELS)
    assert replace(shape, dropout=0.1, label_weights=(1.0, 2.0)).has_weights_of(shape)
    assert not replace(shape, recurrent_size=3).has_weights_of(shape)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"labels": ["keep"]}, "at least two labels"),
        ({"labels": ["keep", "keep", "delete"]}, "all different"),
        ({"labels": ["a", "b"], "recurrent_size": -1}, "recurrent_size must be at least 0"),
        ({"labels": ["a", "b"], "hidden_size": 0}, "hidden_size at least 1"),
        ({"labels": ["a", "b"], "dropout": 1.0}, r"dropout must be in \[0, 1\)"),
        ({"labels": ["a", "b"], "label_weights": [1.0]}, "label_weights must be above 0, one for each label"),
        ({"labels": ["a", "b"], "label_weights": [1.0, 0.0]}, "label_weights must be above 0"),
        ({"labels": ["a", "b"], "poolings": ["max"]}, "unknown key poolings; known are labels, recurrent_size"),
    ],
)
def test_what_cannot_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        head_config({"kind": "tagger", **values}, "heads.compression")


def test_another_kind_of_head_is_no_tagger() -> None:
    with pytest.raises(TypeError, match="compression is a tagger head"):
        _model().classifier("compression")

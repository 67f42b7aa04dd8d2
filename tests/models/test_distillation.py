"""A model learns what its teachers think of its texts."""

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from torch import Tensor

from rondo_models.backbone import BackboneConfig
from rondo_models.heads.tagger import TaggerConfig
from rondo_models.model import RondoModel
from rondo_models.training.distillation import Lesson
from rondo_models.training.regularization import Noise, Regularization
from rondo_models.training.sequences import Sequences
from rondo_models.training.tasks import ClassificationTask, LanguageModelTask, Seq2SeqTask, TaggingTask, Task
from rondo_models.training.trainer import Trainer, TrainingConfig

START, END = 2, 3
MakeModel = Callable[..., RondoModel]


def _texts(count: int = 40) -> list[list[int]]:
    rng = numpy.random.default_rng(1)
    return [rng.integers(4, 20, rng.integers(2, 7)).tolist() for _ in range(count)]


def _task(kind: str, own: Regularization | None = None) -> Task:
    texts = _texts()
    ended = Sequences.of([*text, END] for text in texts)
    match kind:
        case "classifier":
            return ClassificationTask("c", "sentiment", 60, ended, [int(text[0] > 10) for text in texts], 5, own)
        case "language model":
            return LanguageModelTask("l", "generation", 40, ended.ids, 8, START, 0.0)
        case "language model, backward":
            return LanguageModelTask("l", "generation", 40, ended.ids, 8, START, 1.0)
        case "pairs":
            targets = Sequences.of([START, *text[::-1], END] for text in texts)
            return Seq2SeqTask("t", "translation", 90, ended, targets, own)
        case "tagger":
            sizes, labels = Sequences.of([1] * len(text) for text in texts), Sequences.of([0] * len(t) for t in texts)
            return TaggingTask("w", "compression", 90, ended, sizes, labels, own)
    raise ValueError(kind)


KINDS = ["classifier", "language model", "language model, backward", "pairs", "tagger"]


@pytest.fixture
def make(make_model: MakeModel) -> MakeModel:
    """Models with a head for each kind of task, by their seed."""

    def made(seed: int) -> RondoModel:
        model = make_model(seed=seed)
        torch.manual_seed(seed)
        tagging = RondoModel(
            BackboneConfig(20, embedding_size=12, hidden_size=16), {"compression": TaggerConfig(("keep", "delete"))}
        )
        model.heads["compression"] = tagging.head("compression")
        return model.eval()

    return made


def _objective(model: RondoModel, task: Task, lesson: Lesson | None) -> float:
    torch.manual_seed(3)
    drawn = task.draw(
        task.batches(numpy.random.default_rng(1), training=True)[0], numpy.random.default_rng(2), 0, training=True
    )
    return float(task.loss(model, drawn, Noise(), lesson).objective.detach())


@pytest.mark.parametrize("kind", KINDS)
def test_who_thinks_as_the_teacher_does_has_nothing_to_learn(make: MakeModel, kind: str) -> None:
    task = _task(kind)
    assert _objective(make(1), task, Lesson([make(1)], 1.0, 2.0)) == pytest.approx(0.0, abs=1e-5)
    assert _objective(make(1), task, Lesson([make(2)], 1.0, 2.0)) > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_labels_have_the_rest_of_the_weight(make: MakeModel, kind: str) -> None:
    task, model, teacher = _task(kind), make(1), make(2)
    plain, taught = _objective(model, task, None), _objective(model, task, Lesson([teacher], 1.0))
    mixed = _objective(model, task, Lesson([teacher], 0.25))
    assert mixed == pytest.approx(0.75 * plain + 0.25 * taught, rel=1e-4)


@pytest.mark.parametrize("kind", ["classifier", "pairs", "tagger"])
def test_of_two_readings_both_learn(make: MakeModel, kind: str) -> None:
    model, lesson = make(1), Lesson([make(2)], 1.0)
    once = _objective(model, _task(kind), lesson)
    model.training = True  # its parts are not: both readings are the same
    assert _objective(model, _task(kind, Regularization(consistency=1.0)), lesson) == pytest.approx(once, rel=1e-4)


def _logits(rows: int, seed: int) -> Tensor:
    return torch.randn(rows, 5, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_divergence_is_from_the_mean_of_the_softened_probabilities(make: MakeModel, temperature: float) -> None:
    first, second = make(1), make(2)
    thoughts = {first: _logits(4, 1), second: _logits(4, 2)}
    own = _logits(4, 3).requires_grad_()
    lesson = Lesson([first, second], 1.0, temperature)
    found = lesson.objective(torch.zeros(()), own, lambda teacher: thoughts[teacher])
    wanted = sum((logits / temperature).softmax(-1) for logits in thoughts.values()) / 2
    softened = (own / temperature).softmax(-1)
    assert isinstance(wanted, Tensor)
    expected = (wanted * (wanted.log() - softened.log())).sum(-1).mean() * temperature**2
    torch.testing.assert_close(found, expected)
    found.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(own.grad, (softened - wanted) * temperature / 4)


def test_a_model_comes_to_think_as_its_teacher(make: MakeModel, tmp_path: Path) -> None:
    task, student, teacher = _task("classifier"), make(1), make(2)
    with torch.no_grad():
        teacher.classifier("sentiment").output.weight.mul_(20.0)  # of firm opinions, which the labels do not share
    lesson = Lesson([teacher], 1.0)
    before = _objective(student, task, lesson)
    config = TrainingConfig(steps=60, learning_rate=1e-2, warmup_steps=2, bfloat16=False, dev_every=99, ema_decay=0.5)
    kept = {name: value.clone() for name, value in teacher.state_dict().items()}
    Trainer(student, [task], [1.0], [], config, tmp_path, lessons={"c": lesson}).run()
    assert _objective(student.eval(), task, lesson) < before / 4
    assert all(torch.equal(value, kept[name]) for name, value in teacher.state_dict().items())

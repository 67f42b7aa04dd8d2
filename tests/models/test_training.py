"""Training learns, resumes exactly, shares work between processes, and stops when it diverges."""

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.cells import CELLS, Cell
from rondo_models.config import ConfigError
from rondo_models.decoding.parameters import BeamParameters
from rondo_models.decoding.search import decode_batch
from rondo_models.executor import TorchExecutor
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_models.model import RondoModel
from rondo_models.training import trainer
from rondo_models.training.batching import length_batches
from rondo_models.training.progress import RunLog, plot_losses
from rondo_models.training.regularization import Noise, Regularization
from rondo_models.training.schedule import learning_rate
from rondo_models.training.sequences import Sequences, padded
from rondo_models.training.tasks import ClassificationTask, LanguageModelTask, Seq2SeqTask, Task
from rondo_models.training.trainer import Trainer, TrainingConfig, TrainingDiverged

START, END = 2, 3


def _random_sequences(count: int, seed: int, longest: int = 7) -> list[list[int]]:
    rng = numpy.random.default_rng(seed)
    return [rng.integers(4, 20, rng.integers(1, longest)).tolist() for _ in range(count)]


def _tasks(regularization: Regularization | None = None) -> list[Task]:
    texts = _random_sequences(60, 1)
    ended = Sequences.of([*text, END] for text in texts)
    targets = Sequences.of([START, *text, END] for text in texts)
    return [
        ClassificationTask("c", "sentiment", 60, ended, [int(text[0] > 10) for text in texts], 5, regularization),
        LanguageModelTask("l", "generation", 40, ended.ids, 8, START, 0.5),
        Seq2SeqTask("t", "translation", 90, ended, targets, regularization),
        Seq2SeqTask("s", "summarization", 90, ended, targets),
    ]


CONFIG = TrainingConfig(
    steps=8, warmup_steps=2, bfloat16=False, log_every=4, dev_every=4, checkpoint_every=2, micro_batches=2
)


def _train(model: RondoModel, config: TrainingConfig, folder: Path, stop_after: int | None = None) -> RondoModel:
    tasks = _tasks()

    def kill(step: int) -> None:
        if step == stop_after:
            raise KeyboardInterrupt

    return Trainer(model, tasks, [1.0] * 4, tasks, config, folder, "joint").run(kill)


def _assert_same(first: RondoModel, second: RondoModel, tolerance: float = 0.0) -> None:
    other = second.state_dict()
    for name, value in first.state_dict().items():
        torch.testing.assert_close(value, other[name], atol=tolerance, rtol=0, msg=name)


@pytest.mark.parametrize("stop_after", [2, 5])
def test_a_run_that_was_stopped_ends_with_the_same_weights(
    make_model: Callable[..., RondoModel], tmp_path: Path, stop_after: int
) -> None:
    whole = _train(make_model(), CONFIG, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        _train(make_model(), CONFIG, tmp_path / "stopped", stop_after)
    resumed = _train(make_model(seed=9), CONFIG, tmp_path / "stopped")
    _assert_same(whole, resumed)


def _classifier_loss(model: RondoModel, own: Regularization) -> tuple[float, float]:
    """Objective and log-likelihood, of noise that is the same each time."""
    torch.manual_seed(3)
    task = _tasks(own)[0]
    result = task.loss(model, task.draw(numpy.arange(8), numpy.random.default_rng(1), 0, training=True), Noise())
    return float(result.objective.detach()), float(result.log_likelihood)


def test_two_passes_of_a_classifier_shall_say_the_same(make_model: Callable[..., RondoModel]) -> None:
    model = make_model()
    model.training = True  # its parts are not: they drop nothing
    plain, quiet = (_classifier_loss(model, Regularization(consistency=own)) for own in (0.0, 5.0))
    assert quiet == pytest.approx(plain, abs=1e-5)
    weak, strong = (_classifier_loss(model, Regularization(word_dropout=0.5, consistency=own)) for own in (1e-9, 5.0))
    assert strong[0] > weak[0] + 1e-4
    assert strong[1] == weak[1]
    model.training = False
    noisy = Regularization(word_dropout=0.5, consistency=5.0)
    assert _classifier_loss(model, noisy)[0] == _classifier_loss(model, Regularization(word_dropout=0.5))[0]


def test_smoothed_labels_are_for_training_alone(make_model: Callable[..., RondoModel]) -> None:
    def losses(smoothing: float, *, training: bool) -> tuple[float, float]:
        model = make_model()
        head = model.classifier("sentiment")
        head.config = dataclasses.replace(head.config, label_smoothing=smoothing)
        with torch.no_grad():
            head.output.bias[0] = 4.0  # it is sure
        model.training = training
        return _classifier_loss(model, Regularization())

    plain, smoothed = losses(0.0, training=True), losses(0.3, training=True)
    assert abs(smoothed[0] - plain[0]) > 0.1
    assert smoothed[1] == plain[1]
    assert losses(0.3, training=False) == plain


@pytest.mark.parametrize(
    "regularization",
    [Regularization(word_dropout=0.9), Regularization(dropout=0.9), Regularization(resegment=lambda ids, _: ids[::-1])],
)
def test_a_set_has_its_own_noise(make_model: Callable[..., RondoModel], regularization: Regularization) -> None:
    """Each kind changes the loss of the sets that have it, and of no other."""
    model, batch = make_model(), numpy.arange(8)

    def losses(own: Regularization | None) -> dict[str, float]:
        torch.manual_seed(1)
        tasks = {task.name: task for task in _tasks(own) if task.name in ("c", "t", "s")}
        rng = numpy.random.default_rng(1)
        drawn = {
            name: task.draw(batch, rng, model.backbone.config.pad_id, training=True) for name, task in tasks.items()
        }
        return {
            name: float(task.loss(model.eval(), drawn[name], Noise()).objective.detach())
            for name, task in tasks.items()
        }

    plain, noisy = losses(None), losses(regularization)
    assert {name for name in plain if plain[name] != pytest.approx(noisy[name], rel=1e-6)} == {"c", "t"}


def test_two_passes_shall_say_the_same(make_model: Callable[..., RondoModel]) -> None:
    """Without noise both passes agree and the loss is the plain one; with noise their divergence is added."""
    model, batch = make_model(), numpy.arange(8)
    model.training = True  # its parts are not: they drop nothing

    def objective(consistency: float, word_dropout: float) -> float:
        torch.manual_seed(3)
        task = _tasks(Regularization(word_dropout=word_dropout, consistency=consistency))[2]
        drawn = task.draw(batch, numpy.random.default_rng(1), 0, training=True)
        return float(task.loss(model, drawn, Noise()).objective.detach())

    assert objective(5.0, 0.0) == pytest.approx(objective(1e-9, 0.0), abs=1e-5)
    assert objective(5.0, 0.5) > objective(1e-9, 0.5) + 1e-4
    assert objective(1e-9, 0.0) == pytest.approx(objective(0.0, 0.0), abs=1e-5)


def test_two_processes_compute_what_one_does(make_model: Callable[..., RondoModel], tmp_path: Path) -> None:

    alone = _train(make_model(), CONFIG, tmp_path / "alone")
    shared = _train(make_model(), dataclasses.replace(CONFIG, workers=2), tmp_path / "shared")
    _assert_same(alone, shared, tolerance=1e-5)


def test_each_process_gives_back_what_it_freed(
    make_model: Callable[..., RondoModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = tmp_path / "noted"

    def note() -> None:
        with noted.open("a", encoding="utf-8") as file:
            print(os.getpid(), file=file)

    monkeypatch.setattr(trainer, "give_memory_back", note)
    _train(make_model(), dataclasses.replace(CONFIG, workers=2), tmp_path / "run")
    counts = Counter(noted.read_text(encoding="utf-8").split())
    assert sorted(counts.values()) == [2, 2]  # before steps 0 and 4


def test_batches_drawn_ahead_are_the_same(make_model: Callable[..., RondoModel], tmp_path: Path) -> None:
    """By two processes, and after a resumption from the middle of a round of theirs."""
    alone = _train(make_model(), CONFIG, tmp_path / "alone")
    ahead = dataclasses.replace(CONFIG, loaders=2)
    with pytest.raises(KeyboardInterrupt):
        _train(make_model(), ahead, tmp_path / "ahead", stop_after=5)
    _assert_same(alone, _train(make_model(), ahead, tmp_path / "ahead"))


def test_a_frozen_backbone_does_not_move(make_model: Callable[..., RondoModel], tmp_path: Path) -> None:

    model = make_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    _train(model, dataclasses.replace(CONFIG, freeze_backbone=True), tmp_path)
    changed = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"heads"}


def test_log_has_losses_and_dev_and_can_be_drawn(make_model: Callable[..., RondoModel], tmp_path: Path) -> None:
    _train(make_model(), CONFIG, tmp_path)
    records = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records if "dev" in r] == [4, 8]
    assert {name for r in records for name in r.get("losses", {})} == {"c", "l", "t", "s"}
    assert all(r["tokens_per_s"] > 0 for r in records if "losses" in r)
    plot_losses(records, tmp_path / "losses.png")
    assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG")


def test_a_diverging_run_stops_and_says_where(make_model: Callable[..., RondoModel], tmp_path: Path) -> None:
    model = make_model()
    with torch.no_grad():
        model.backbone.embedding.weight[4:] = torch.inf
    with pytest.raises(TrainingDiverged, match=r"step 0.*learning_rate"):
        _train(model, CONFIG, tmp_path)


def test_early_stopping_ends_when_dev_no_longer_improves(make_model: Callable[..., RondoModel], tmp_path: Path) -> None:

    config = dataclasses.replace(CONFIG, steps=40, dev_every=1, patience=2, learning_rate=0.0, ema_decay=0.0)
    _train(make_model(), config, tmp_path)
    records = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert max(record["step"] for record in records) == 3


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_learns_to_copy(cell: Cell, tmp_path: Path) -> None:
    """A whole small system: training, attention, beam search. Copying unseen sequences needs all of it."""
    torch.manual_seed(0)
    backbone = BackboneConfig(20, cell, embedding_size=32, hidden_size=48, dropout=0.0)
    head = Seq2SeqConfig(48, dropout=0.0, label_smoothing=0.0)
    model = RondoModel(backbone, {"translation": head})
    texts = _random_sequences(20_000, 3)
    sources = Sequences.of([*text, END] for text in texts)
    targets = Sequences.of([START, *text, END] for text in texts)
    config = TrainingConfig(
        steps=500, learning_rate=8e-3, warmup_steps=20, word_dropout=0.0, ema_decay=0.9, micro_batches=1,
        bfloat16=False, checkpoint_every=1000, log_every=500,
    )  # fmt: skip
    Trainer(model, [Seq2SeqTask("copy", "translation", 800, sources, targets)], [1.0], [], config, tmp_path).run()
    model.eval()
    unseen = [text for text in _random_sequences(300, 4) if text not in texts][:100]
    with torch.inference_mode():
        encoded = model.backbone.encode(*padded([[*text, END] for text in unseen], 0))
    executor = TorchExecutor(model, [0, 1, START])
    parameters = BeamParameters(2, max_tokens=10)
    results = decode_batch(executor, "translation", encoded, [START] * len(unseen), parameters, END)
    right = sum(list(best[0].ids) == text for best, text in zip(results, unseen, strict=True))
    assert right >= 95


def test_batches_hold_every_example_once_within_the_budget() -> None:
    costs = numpy.random.default_rng(0).integers(1, 50, 200)
    costs[7] = 500
    batches = length_batches(costs, 120, numpy.random.default_rng(1))
    assert sorted(index for batch in batches for index in batch) == list(range(200))
    for batch in batches:
        assert len(batch) == 1 or costs[batch].max() * len(batch) <= 120


def test_learning_rate_rises_then_falls() -> None:
    rates = [learning_rate(step, 100, 1.0, 10, 0.1) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[100] == pytest.approx(0.1)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="workers"):
        TrainingConfig(steps=1, micro_batches=2, workers=3)
    for name in ("log_every", "dev_every", "checkpoint_every"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
            TrainingConfig(steps=1, **{name: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("ema_decay", 1.0, r"in \[0, 1\)"),
        ("word_dropout", 1.5, r"in \[0, 1\)"),
        ("word_dropout", -0.5, r"in \[0, 1\)"),
        ("weight_dropout", 1.0, r"in \[0, 1\)"),
        ("final_rate_share", -3.0, r"in \[0, 1\]"),
        ("clip", 0.0, "above 0"),
        ("seed", -1, "not be negative"),
        ("learning_rate", -1.0, "not be negative"),
        ("warmup_steps", -1, "not be negative"),
    ],
)
def test_values_out_of_range_are_refused(name: str, value: float, wanted: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must (be )?{wanted}"):
        TrainingConfig(steps=1, **{name: value})  # type: ignore[arg-type]


def test_where_whole_texts_are_read_a_long_one_is_read_alone() -> None:
    """It was counted as long as a window of it, and so padded beside as many others as fit into a budget with that."""
    texts = Sequences.of([[5] * length for length in (6, 900, 4, 3, 7, 8)])
    task = ClassificationTask("c", "sentiment", 40, texts, [0] * 6, 8)
    whole, windows = (
        [sorted(batch.tolist()) for batch in task.batches(numpy.random.default_rng(0), training=training)]
        for training in (False, True)
    )
    assert [1] in whole
    assert [1] not in windows
    for batches in (whole, windows):
        assert sorted(index for batch in batches for index in batch) == list(range(6))


def test_a_text_that_no_server_would_read_is_read_in_part() -> None:
    task = ClassificationTask("c", "sentiment", 40, Sequences.of([[5] * 30_000, [5]]), [0, 0], 8)
    (long, _) = sorted(task.batches(numpy.random.default_rng(0), training=False), key=lambda batch: int(batch[0]))
    drawn = task.draw(long, numpy.random.default_rng(0), 0, training=False)
    assert drawn.tensors["ids"].shape == (1, 20_000)


def test_a_finished_run_of_another_length_is_not_taken_for_this_one(
    make_model: Callable[..., RondoModel], tmp_path: Path
) -> None:

    _train(make_model(), CONFIG, tmp_path)
    with pytest.raises(ConfigError, match="finished a run of 8 steps"):
        _train(make_model(), dataclasses.replace(CONFIG, steps=16), tmp_path)


def test_a_log_line_that_was_broken_off_spoils_nothing(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl")
    log.write(step=1)
    with log.path.open("a") as file:
        file.write('{"step": 2, "los')
    log.write(step=3)
    assert [record["step"] for record in log.read()] == [1, 3]

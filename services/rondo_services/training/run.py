"""Carries out a recipe: vocabulary, joint training, a short fine-tune of each head, a bundle.

Everything that must survive a kill lies in the run's folder; the same command goes on where it stopped.
"""

import math
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.bundle import Bundle, save_bundle
from rondo_models.config import ConfigError, config_from
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.manifest import BundleError, Manifest, require_replaceable
from rondo_models.model import RondoModel, check_fits
from rondo_models.training.checkpoint import checkpoint_path, read_checkpoint
from rondo_models.training.distillation import Lesson
from rondo_models.training.ngram_regression import NgramRegressionConfig, add_ngram_regression
from rondo_models.training.progress import RunLog, plot_losses
from rondo_models.training.tasks import ClassificationTask, LanguageModelTask
from rondo_models.training.trainer import Trainer, TrainingConfig, evaluate_tasks
from rondo_tokenizers.vocabulary import Tokenizer

from ..datasets.catalog import DATA_SETS
from ..evaluation.report import machine
from ..summarization.choosing import SUMMARY
from .beginning import begun_model, check_heads, log_beginning, merged_backbone, with_ngrams, without_lone_ngrams
from .card import model_card
from .costs import WATTS_PER_CORE, Cost, CostLedger, cost_of, read_sessions
from .energy import gpu_meter, processor_meter
from .identity import RunIdentity, is_run
from .one_process import alone_in
from .origins import HELPERS, SALIENCE, Origin, data_of, service_of
from .preparation import Prepared, prepare
from .recipe import Recipe
from .teaching import check_teachers, lessons_of
from .vocabulary import kept_vocabulary

VERSION = "0.1.0"
_JOINT = "joint"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Where and how to run a recipe.

    Attributes:
        run_folder: checkpoints, log, plot.
        output: the bundle's folder.
        root: of the named data sets; None when only a user's files are read.
        init: a bundle to start from, with its vocabulary; heads of the same name and shape start from its. One for
            which the recipe has no data stays as it is there.
        teachers: bundles from which data entries with `distillation` learn, too; without `init` the vocabulary is
            theirs.
        device: "cpu" or "cuda".
        watts_per_core: for an estimate of the energy where it can't be measured.
    """

    run_folder: Path
    output: Path
    root: Path | None
    init: Bundle | None = None
    device: str = "cpu"
    watts_per_core: float = WATTS_PER_CORE
    teachers: Mapping[Path, Bundle] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.device not in ("cpu", "cuda"):
            raise ConfigError(f"device must be cpu or cuda, not {self.device!r}")
        if not 0 < self.watts_per_core < math.inf:
            raise ConfigError(f"watts per core must be above 0, not {self.watts_per_core:g}")


def prepare_run(recipe: Recipe, options: RunOptions) -> tuple[bytes, Prepared]:
    """The vocabulary and the encoded data, which the run's folder keeps: `run_recipe` then needs no data sets.

    Raises:
        ConfigError: the recipe does not fit its data, the initial bundle or the teachers, a head has neither data nor
            weights, or another process trains in the run's folder.
    """
    _check(recipe, options)
    with alone_in(options.run_folder):
        return _prepared(recipe, options)


def _prepared(recipe: Recipe, options: RunOptions) -> tuple[bytes, Prepared]:
    vocabulary = _vocabulary(recipe, options)
    return vocabulary, prepare(recipe, Tokenizer(vocabulary), options.root, options.run_folder)


def run_recipe(recipe: Recipe, options: RunOptions) -> Path:
    """Train and write the bundle; returns its folder.

    Raises:
        ConfigError: as of `prepare_run`, or there is no GPU.
        TrainingDiverged: the loss became infinite or undefined.
    """
    torch.set_num_threads(1)
    _check_device(options)
    if options.device == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32
    identity = _check(recipe, options)
    with alone_in(options.run_folder):
        return _run(recipe, options, identity)


def _run(recipe: Recipe, options: RunOptions, identity: RunIdentity) -> Path:
    began = time.monotonic()
    ledger = _ledger(options)
    tokenizer_model, prepared = _prepared(recipe, options)
    tokenizer = Tokenizer(tokenizer_model)
    log = RunLog(options.run_folder / "log.jsonl")
    by_steps = without_lone_ngrams(recipe)
    model, beginnings = begun_model(recipe, tokenizer, options.init)
    if options.init is not None:
        log_beginning(log, options.init, beginnings)
    _log_left_out(recipe, prepared, log)
    model = model.to(options.device)
    lessons = lessons_of(recipe, list(options.teachers.values()), options.device)
    identity.begin(is_begun=_has_checkpoint(recipe, options))
    if recipe.training.steps:
        identity.begin_phase(_JOINT)
        _train_joint(recipe, prepared, model, options, ledger, lessons)
        identity.end(_JOINT)
    for head, config in recipe.fine_tune.items():
        if config.steps:
            identity.begin_phase(_fine_tune_phase(head))
        _fine_tune(head, config, prepared, model, options, ledger, lessons)
        if config.steps:
            identity.end(_fine_tune_phase(head))
    if by_steps is not recipe:
        model = with_ngrams(model, recipe, tokenizer).to(options.device)
    for head, regression in recipe.ngram_regression.items():
        _add_ngram_regression(head, regression, prepared, model, log)
    final = evaluate_tasks(model, prepared.dev_tasks, low_precision=False)
    log.write(phase="final", step=0, minutes=round((time.monotonic() - began) / 60, 1), final_dev=final)
    plot_losses(log.read(), options.run_folder / "losses.png")
    cost = cost_of(recipe.name, ledger.write(), _device_name(options.device), _machine_name())
    earlier = identity.earlier_origins()
    return _write_bundle(recipe, model.cpu(), tokenizer_model, options, cost, recipe.training.steps, earlier)


def write_so_far(recipe: Recipe, options: RunOptions) -> str:
    """Write the bundle that a run has got to, be it running or not: the averaged weights of its last checkpoint.

    N-grams that are a regression's alone come at a run's end, so they are not in it.

    Returns:
        of which phase and step it is.

    Raises:
        ConfigError: the recipe does not fit the initial bundle or the teachers, there is no GPU, or the run's folder
            has no checkpoint of such a recipe.
    """
    identity = _check(recipe, options)
    _check_device(options)
    phase = next((name for name in reversed(_phases(recipe)) if _is_begun(name, options)), None)
    if phase is None:
        raise ConfigError(f"{options.run_folder} has no checkpoint yet; a run writes one every checkpoint_every steps")
    state = read_checkpoint(checkpoint_path(options.run_folder, phase))
    assert state is not None
    tokenizer_model = _vocabulary(recipe, options)
    model, _ = begun_model(recipe, Tokenizer(tokenizer_model), options.init)
    try:
        model.load_state_dict({**model.state_dict(), **state["average"]})
    except RuntimeError as error:
        raise ConfigError(f"{options.run_folder} has a checkpoint of another recipe: {error}") from error
    sessions = read_sessions(options.run_folder)
    cost = cost_of(recipe.name, sessions, _device_name(options.device), _machine_name()) if sessions else None
    joint_steps = state["step"] if phase == _JOINT else recipe.training.steps
    _write_bundle(recipe, model, tokenizer_model, options, cost, joint_steps, identity.earlier_origins())
    return f"{phase}, step {state['step']}"


def _check(recipe: Recipe, options: RunOptions) -> RunIdentity:
    """Before long work; what the run's checkpoints are of."""
    _check_output(options)
    check_heads(recipe, options.init)
    check_teachers(recipe, options.teachers)
    _check_salience(recipe)
    _check_backbone(recipe, options.init)
    _check_order(recipe, options)
    identity = _identity(recipe, options)
    identity.check(is_begun=_has_checkpoint(recipe, options))
    return identity


def _has_checkpoint(recipe: Recipe, options: RunOptions) -> bool:
    return any(_is_begun(phase, options) for phase in _phases(recipe))


def _identity(recipe: Recipe, options: RunOptions) -> RunIdentity:
    configs = {_JOINT: recipe.training, **{_fine_tune_phase(head): own for head, own in recipe.fine_tune.items()}}
    phases = {name: configs[name] for name in _phases(recipe)}
    trained_on = {
        name: [entry for entry in recipe.data if name in (_JOINT, _fine_tune_phase(entry.head))] for name in phases
    }
    return RunIdentity(options.run_folder, recipe, options.init, list(options.teachers.values()), phases, trained_on)


def _check_output(options: RunOptions) -> None:
    if options.output.resolve() == options.run_folder.resolve() and is_run(options.run_folder):
        return
    try:
        require_replaceable(options.output)
    except BundleError as error:
        raise ConfigError(str(error)) from error


def _phases(recipe: Recipe) -> list[str]:
    """Those that train, in their order."""
    joint = [_JOINT] if recipe.training.steps else []
    return [*joint, *(_fine_tune_phase(head) for head, config in recipe.fine_tune.items() if config.steps)]


def _is_begun(phase: str, options: RunOptions) -> bool:
    return checkpoint_path(options.run_folder, phase).is_file()


def _check_order(recipe: Recipe, options: RunOptions) -> None:
    """A checkpoint has all weights, so what a phase before it learnt later would be lost."""
    for phase, following in pairwise(_phases(recipe)):
        if _is_begun(following, options) and not _is_begun(phase, options):
            raise ConfigError(
                f"{options.run_folder} has a checkpoint of {following}, but none of {phase}, which comes before it in "
                "the recipe; put phases that the recipe got since at its end, or take another run folder"
            )


def _check_device(options: RunOptions) -> None:
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device is cuda, but torch finds no GPU here")


def _ledger(options: RunOptions) -> CostLedger:
    has_gpu = options.device == "cuda"
    gpu = gpu_meter(torch.cuda.current_device()) if has_gpu else None
    return CostLedger(
        options.run_folder, processor_meter(), gpu, has_gpu=has_gpu, watts_per_core=options.watts_per_core
    )


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else device


def _machine_name() -> str:
    here = machine()
    return f"{here['processor']}, {here['logical_cores']} logical cores"


def _check_salience(recipe: Recipe) -> None:
    config = recipe.heads.get(SALIENCE)
    if config is not None and not (isinstance(config, ClassifierConfig) and SUMMARY in config.labels):
        raise ConfigError(f"the head {SALIENCE} chooses sentences: it must be a classifier with a label {SUMMARY}")


def _check_backbone(recipe: Recipe, init: Bundle | None) -> None:
    """Before the data are read, which takes minutes; the vocabulary's size is not known yet."""
    if init is not None:
        backbone = merged_backbone(recipe, init)
    else:
        backbone = config_from(BackboneConfig, {**recipe.backbone, "vocabulary_size": 1}, "backbone")
    check_fits(backbone, recipe.heads)
    if recipe.training.weight_dropout and backbone.cell == "sru":
        raise ConfigError("weight_dropout is for cells with a matrix from state to state: rnn, lstm and gru, not sru")
    modelled = any(isinstance(recipe.heads[entry.head], LanguageModelConfig) for entry in recipe.data)
    if modelled and recipe.backward_share and backbone.encoder == "transformer":
        raise ConfigError(
            f"backward_share is {recipe.backward_share}, but a Transformer encoder has no backward stack: it must be 0"
        )


def _vocabulary(recipe: Recipe, options: RunOptions) -> bytes:
    given = [bundle.tokenizer for bundle in (options.init, *options.teachers.values()) if bundle is not None]
    if given:
        if given[0] != given[-1]:
            raise ConfigError("the teachers have another vocabulary than the initial bundle")
        return given[0]
    return kept_vocabulary(recipe, options.root, options.run_folder, is_begun=_has_checkpoint(recipe, options))


def _log_left_out(recipe: Recipe, prepared: Prepared, log: RunLog) -> None:
    """Let the log say what is not trained on, and standard error what of the user's own files."""
    log.write(phase="data", step=0, left_out=prepared.left_out, too_long=prepared.too_long)
    for entry in recipe.data:
        for number, why in (
            (prepared.left_out[entry.task], "dev or test has them, too, or they repeat another"),
            (prepared.too_long[entry.task], f"they have more than {recipe.longest} tokens (longest)"),
        ):
            if number and entry.set not in DATA_SETS:
                print(f"{entry.set}: {number} rows are not trained on: {why}", file=sys.stderr, flush=True)


def _train(trainer: Trainer, ledger: CostLedger) -> None:
    """Train to the end; each checkpoint comes with what the run has taken so far."""

    def note(step: int) -> None:
        if step % trainer.config.checkpoint_every == 0:
            ledger.write()
        ledger.note()

    trainer.run(note)
    ledger.write()


def _train_joint(
    recipe: Recipe,
    prepared: Prepared,
    model: RondoModel,
    options: RunOptions,
    ledger: CostLedger,
    lessons: Mapping[str, Lesson],
) -> None:
    trainer = Trainer(
        model,
        prepared.tasks,
        prepared.weights,
        prepared.dev_tasks,
        _for_device(recipe.training, options.device),
        options.run_folder,
        _JOINT,
        lessons,
    )
    _train(trainer, ledger)


def _fine_tune_phase(head: str) -> str:
    return f"fine-tune-{head}"


def _fine_tune(
    head: str,
    config: TrainingConfig,
    prepared: Prepared,
    model: RondoModel,
    options: RunOptions,
    ledger: CostLedger,
    lessons: Mapping[str, Lesson],
) -> None:
    chosen = [index for index, task in enumerate(prepared.tasks) if task.head == head]
    for index in chosen:
        task = prepared.tasks[index]
        if isinstance(task, LanguageModelTask):
            task.backward_share = 0.0  # reading backward would train nothing that is not frozen or unused
    trainer = Trainer(
        model,
        [prepared.tasks[index] for index in chosen],
        [prepared.weights[index] for index in chosen],
        [task for task in prepared.dev_tasks if task.head == head],
        _for_device(config, options.device),
        options.run_folder,
        _fine_tune_phase(head),
        lessons,
    )
    _train(trainer, ledger)


def _add_ngram_regression(
    head: str, config: NgramRegressionConfig, prepared: Prepared, model: RondoModel, log: RunLog
) -> None:
    tasks, dev_tasks = (
        [task for task in chosen if task.head == head and isinstance(task, ClassificationTask)]
        for chosen in (prepared.tasks, prepared.dev_tasks)
    )
    added = add_ngram_regression(model, head, tasks, dev_tasks, config)
    scales = f"none: fewer than {config.fewest_dev_texts} dev texts" if added is None else asdict(added)
    log.write(phase=f"ngram-regression-{head}", step=0, scales=scales)
    if added is not None and added.without_dev:
        labels = ", ".join(added.without_dev)
        print(
            f"the head {head}: no dev text has the label {labels}, so the others say how often it is to be expected",
            file=sys.stderr,
            flush=True,
        )


def _for_device(config: TrainingConfig, device: str) -> TrainingConfig:
    """A GPU takes the batches of a step one after another; only CPU cores share them, and draw them in passing."""
    return replace(config, loaders=0) if device == "cpu" else replace(config, workers=1)


def _write_bundle(
    recipe: Recipe,
    model: RondoModel,
    tokenizer: bytes,
    options: RunOptions,
    cost: Cost | None,
    joint_steps: int,
    earlier_origins: Sequence[Origin],
) -> Path:
    """Without a cost where none is known yet."""
    earlier = dict(options.init.manifest.training) if options.init is not None else {}
    training = {
        "steps": int(earlier.get("steps", 0)) + joint_steps,
        "stretches": int(earlier.get("stretches", 0)) + 1,
        "machine": f"{platform.machine()}, {options.device}, {recipe.training.workers} process(es) of one thread",
        "seed": recipe.training.seed,
        "torch": torch.__version__,
        "vocabulary": "unigram with byte fallback, identity normalisation",
        "costs": [*earlier.get("costs", ()), *([] if cost is None else [cost.as_record()])],
    }
    own = [teacher.fingerprint for teacher in options.teachers.values()]
    teachers = list(dict.fromkeys([*earlier.get("teachers", ()), *own]))
    if teachers:
        training["teachers"] = teachers
    manifest = Manifest(
        recipe.name,
        VERSION,
        recipe.languages,
        {name: service_of(recipe, name, options.init) for name in recipe.heads if name not in HELPERS},
        data_of(recipe, options.init, list(options.teachers.values()), earlier_origins),
        (),
        training,
    )
    card = model_card(manifest, model.configs())
    before = options.init.contents if options.init is not None else None
    save_bundle(options.output, manifest, model, tokenizer, card, before=before)
    return options.output

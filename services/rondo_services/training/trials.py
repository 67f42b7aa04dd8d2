"""Trains a recipe's classifier with several seeds and folds, and says how right it is: mean and deviation.

Each trial has a folder of its own with its bundle; one that is done is not trained again, so that dev may be looked at
often and test once, at the end.
"""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from rondo_models.bundle import Bundle
from rondo_models.config import ConfigError

from ..datasets.catalog import DATA_SETS, data_set
from ..datasets.examples import Labelled, Split
from ..evaluation.measuring import measure
from ..evaluation.named_baselines import linear_baselines
from ..local import OFFLINE, load_suite
from .recipe import Recipe
from .run import VERSION, RunOptions, run_recipe
from .teaching import load_teachers

HEAD = "sentiment"
_FOLD = "{fold}"
_SHOWN = ("accuracy", "macro_f1")

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TrialOptions:
    """What to try, and where.

    Attributes:
        folds: of a set with folds, counted from 1.
        folder: of the trials; the recipe and the initial bundle must be the same for all that are in it.
        baselines: learn the linear models, too, and measure them on the same texts.
        init: a bundle that every trial starts from.
        device: "cpu" or "cuda"; what is trained is measured on the CPU.
        teachers: folders of bundles from which each learns, with {fold} for the fold's number.

    Raises:
        ConfigError: a seed or a fold is missing or named twice, or one teacher is named for several folds: it would
            have learnt from the texts that others keep out.
    """

    seeds: Sequence[int]
    folds: Sequence[int]
    split: Split
    root: Path
    folder: Path
    baselines: bool = True
    init: Bundle | None = None
    device: str = "cpu"
    teachers: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, values in (("seeds", self.seeds), ("folds", self.folds)):
            if not values or len(set(values)) < len(values):
                raise ConfigError(f"{name} must be different numbers, at least one, not {list(values)}")
        alike = [path for path in self.teachers if _FOLD not in path]
        if alike and len(self.folds) > 1:
            raise ConfigError(f"the teacher {alike[0]} may know other folds' texts; name one a fold, with {_FOLD}")

    def teachers_of(self, fold: int) -> dict[Path, Bundle]:
        """The teachers of a fold, loaded."""
        return load_teachers([Path(path.replace(_FOLD, str(fold))) for path in self.teachers])


@dataclass(frozen=True, slots=True)
class _Trial:
    """One training with what its bundle says of the measured texts."""

    seed: int
    fold: int
    minutes: float
    lines: list[Line]

    def as_record(self) -> dict[str, Any]:
        return {"seed": self.seed, "fold": self.fold, "minutes": self.minutes, **_metrics(self.lines)}


def run_trials(recipe: Recipe, options: TrialOptions) -> dict[str, Any]:
    """Train what is not trained yet, and measure all; the report, which the folder keeps as `SPLIT.json`.

    A seed's score is that of all its folds' texts together.

    Raises:
        ConfigError: the recipe has no classifier of the name `sentiment`, or not one named set to measure it on; or the
            folder has trials of another recipe.
        TrainingDiverged: the loss of a trial became infinite or undefined.
    """
    data = _measured_set(recipe)
    recipes = {(seed, fold): varied(recipe, seed, fold) for seed in options.seeds for fold in options.folds}
    trials = [_trial(own, data, seed, fold, options) for (seed, fold), own in recipes.items()]
    by_seed = {seed: [trial for trial in trials if trial.seed == seed] for seed in options.seeds}
    scores = {seed: _metrics([line for trial in own for line in trial.lines]) for seed, own in by_seed.items()}
    first = by_seed[options.seeds[0]]
    report = {
        "recipe": recipe.name,
        "data": data,
        "init": None if options.init is None else options.init.fingerprint,
        "teachers": list(options.teachers),
        "split": options.split,
        "num_texts": sum(len(trial.lines) for trial in first),
        "metrics": {name: _spread([own[name] for own in scores.values()]) for name in _SHOWN},
        "accuracy_over_folds": _spread([_metrics(trial.lines)["accuracy"] for trial in first]),
        "minutes_a_trial": round(statistics.mean(trial.minutes for trial in trials), 2),
        "seeds": {str(seed): own for seed, own in scores.items()},
        "trials": [trial.as_record() for trial in trials],
        "baselines": _baselines(data, first, options) if options.baselines else {},
        "machine": f"{platform.machine()}, one thread, {options.device}",
        "rondo": VERSION,
    }
    text = json.dumps(report, indent=1, ensure_ascii=False)
    (options.folder / f"{options.split}.json").write_text(text + "\n", encoding="utf-8")
    return report


def as_text(report: Mapping[str, Any]) -> str:
    """The report's figures as a table."""
    num_folds = report["accuracy_over_folds"]["num"]
    rows = [("seed", "accuracy", "macro-F1")]
    rows += [(seed, f"{own['accuracy']:.2f}", f"{own['macro_f1']:.2f}") for seed, own in report["seeds"].items()]
    mean, f1 = (f"{own['mean']:.2f} ± {own['deviation']:.2f}" for own in (report["metrics"][name] for name in _SHOWN))
    rows.append(("mean ± deviation", mean, f1))
    rows += [(name, f"{accuracy:.2f}", "") for name, accuracy in report["baselines"].items()]
    width = max(len(row[0]) for row in rows)
    lines = [f"{first:<{width}}  {second:>14}  {third:>14}".rstrip() for first, second, third in rows]
    folds = f" in {num_folds} folds (first seed: ± {report['accuracy_over_folds']['deviation']:.2f})"
    title = f"{report['recipe']}: {report['data']} {report['split']}, {report['num_texts']} texts"
    return "\n".join(
        [
            title + (folds if num_folds > 1 else ""),
            *lines,
            f"{report['minutes_a_trial']} minutes of processor time a trial",
        ]
    )


def varied(recipe: Recipe, seed: int, fold: int) -> Recipe:
    """The recipe with another seed in all phases, and another fold of the sets that have folds.

    Raises:
        ConfigError: another fold than the first is asked for, and no set has folds.
    """
    has_folds = [entry.set in DATA_SETS and data_set(entry.set).folds is not None for entry in recipe.data]
    if fold != 1 and not any(has_folds):
        raise ConfigError(f"fold {fold}: none of the recipe's data sets has folds")
    return replace(
        recipe,
        data=tuple(replace(e, fold=fold) if own else e for e, own in zip(recipe.data, has_folds, strict=True)),
        training=replace(recipe.training, seed=seed),
        fine_tune={head: replace(phase, seed=seed) for head, phase in recipe.fine_tune.items()},
    )


def _measured_set(recipe: Recipe) -> str:
    """The first named set of the head: others that train it (phrases, further reviews) come after."""
    names = [entry.set for entry in recipe.data if entry.head == HEAD and entry.set in DATA_SETS]
    if not names:
        raise ConfigError(f"trials are of a head {HEAD!r} and a named data set; the recipe {recipe.name} has none")
    return names[0]


def _trial(recipe: Recipe, data: str, seed: int, fold: int, options: TrialOptions) -> _Trial:
    folder = options.folder / f"seed-{seed}-fold-{fold}"
    minutes = _trained(recipe, folder, options, options.teachers_of(fold))
    examples = [own for own in data_set(data).examples(options.root, options.split, fold) if isinstance(own, Labelled)]
    return _Trial(seed, fold, minutes, _answered(folder / "bundle", examples))


def _trained(recipe: Recipe, folder: Path, options: TrialOptions, teachers: Mapping[Path, Bundle]) -> float:
    """Train a trial unless it is done; the minutes of processor time that it took.

    Raises:
        ConfigError: it was done with another recipe, or from other bundles.
    """
    record, mark = folder / "trial.json", _mark(recipe, options.init, list(teachers.values()))
    folder.mkdir(parents=True, exist_ok=True)
    if not record.exists():
        record.write_text(json.dumps({"recipe": mark}), encoding="utf-8")
    known = json.loads(record.read_text(encoding="utf-8"))
    if known["recipe"] != mark:
        raise ConfigError(
            f"{folder} has a trial of another recipe, initial bundle or teacher; name another folder with --run"
        )
    if "minutes" not in known:
        before = _processor_s()
        place = RunOptions(folder, folder / "bundle", options.root, options.init, options.device, teachers=teachers)
        run_recipe(recipe, place)
        known["minutes"] = round((_processor_s() - before) / 60, 2)
        record.write_text(json.dumps(known), encoding="utf-8")
        for checkpoint in folder.glob("*.pt"):
            checkpoint.unlink()
    minutes: float = known["minutes"]
    return minutes


def _mark(recipe: Recipe, init: Bundle | None, teachers: Sequence[Bundle]) -> str:
    """Tells trials of one recipe, initial bundle and teachers from those of others."""
    known = "".join(bundle.fingerprint for bundle in (init, *teachers) if bundle is not None)
    return sha256((repr(asdict(recipe)) + known).encode()).hexdigest()[:12]


def _processor_s() -> float:
    """Time that this process and those it waited for have used: on a busy machine too what a training costs."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _answered(bundle: Path, examples: Sequence[Labelled]) -> list[Line]:
    suite = load_suite(bundle, [HEAD], limits=OFFLINE)
    try:
        service = suite.sentiment
        assert service is not None
        answers = suite.run_blocking([service.work(own.text) for own in examples])
        results = [
            service.result(own.text, own.language, answer) for own, answer in zip(examples, answers, strict=True)
        ]
    finally:
        suite.close()
    return [
        {
            "text": own.text,
            "expected": [own.label],
            "label": result.label,
            "score": result.score,
            "scores": result.scores,
        }
        for own, result in zip(examples, results, strict=True)
    ]


def _metrics(lines: Sequence[Line]) -> dict[str, float]:
    found = measure("sentiment", lines, num_resamples=0).metrics
    return {name: round(float(found[name]), 2) for name in ("accuracy", "macro_f1", "ece", "nll")}


def _spread(values: Sequence[float]) -> dict[str, float]:
    """Mean and deviation from it (n - 1); one value deviates by 0."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": round(statistics.mean(values), 2), "deviation": round(deviation, 2), "num": len(values)}


def _baselines(data: str, trials: Sequence[_Trial], options: TrialOptions) -> dict[str, float]:
    """Accuracy of each linear model on the texts of all folds."""
    right: dict[str, float] = {}
    for trial in trials:
        for name, own in linear_baselines(data, options.root, trial.lines, trial.fold).items():
            right[name] = right.get(name, 0.0) + own["accuracy"] * len(trial.lines)
    return {name: round(own / sum(len(trial.lines) for trial in trials), 2) for name, own in right.items()}

"""Bundles that teach a run's model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rondo_models.bundle import Bundle, load_bundle
from rondo_models.config import ConfigError
from rondo_services.training.origins import data_of
from rondo_services.training.recipe import recipe_from
from rondo_services.training.run import RunOptions, run_recipe
from rondo_services.training.teaching import check_teachers, lessons_of

WORDS = ("heron", "boat", "train", "baker", "painter", "kite", "ferry", "umbrella", "clock", "lantern", "quarry")


def _reviews(path: Path, nouns: tuple[str, ...]) -> str:
    rows = [
        {"text": f"the {first} and the {second}", "label": "good" if "a" in first else "bad"}
        for first in nouns
        for second in WORDS
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def taught(values: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """A recipe whose classifier has a teacher."""
    own = {"set": _reviews(tmp_path / "own.jsonl", WORDS[:6]), "head": "sentiment", "distillation": 0.5}
    return {
        **values,
        "languages": ["en"],
        "vocabulary_size": 290,
        "heads": {"sentiment": values["heads"]["sentiment"]},
        "data": [own],
    }


@pytest.fixture
def make_teacher(taught: dict[str, Any], tmp_path: Path) -> Callable[..., Bundle]:
    """A larger model that has learnt from other texts, whose licence is its own."""

    def make(name: str = "teacher", nouns: tuple[str, ...] = WORDS[5:], **changes: Any) -> Bundle:
        path = _reviews(tmp_path / f"{name}.jsonl", nouns)
        data = [{"set": path, "head": "sentiment", "licence": "for research"}]
        recipe = recipe_from({**taught, "backbone": {"embedding_size": 8, "hidden_size": 12}, "data": data, **changes})
        return load_bundle(run_recipe(recipe, RunOptions(tmp_path / f"{name}-run", tmp_path / name, None)))

    return make


def test_a_bundle_tells_from_whom_it_has_learnt(
    taught: dict[str, Any], make_teacher: Callable[..., Bundle], tmp_path: Path
) -> None:
    teacher = make_teacher()
    options = RunOptions(tmp_path / "run", tmp_path / "bundle", None, teachers={tmp_path / "teacher": teacher})
    bundle = load_bundle(run_recipe(recipe_from(taught), options))
    assert bundle.tokenizer == teacher.tokenizer
    assert bundle.model.backbone.config.hidden_size == 8
    assert bundle.manifest.training["teachers"] == [teacher.fingerprint]
    assert [(own["set"], own["licence"], own["heads"]) for own in bundle.manifest.data] == [
        ("teacher.jsonl", "for research", ["sentiment"]),
        ("own.jsonl", "the user's own", ["sentiment"]),
    ]

    taught["data"][0]["distillation"] = 0.0
    taught["backbone"] = {"hidden_size": 8}
    further = RunOptions(tmp_path / "further-run", tmp_path / "further", None, init=bundle)
    assert load_bundle(run_recipe(recipe_from(taught), further)).manifest.training["teachers"] == [teacher.fingerprint]

    taught["data"][0]["distillation"] = 0.5
    again = RunOptions(tmp_path / "again-run", tmp_path / "again", None, init=bundle, teachers=options.teachers)
    assert load_bundle(run_recipe(recipe_from(taught), again)).manifest.training["teachers"] == [teacher.fingerprint]


def test_what_the_teacher_thinks_changes_what_is_learnt(
    taught: dict[str, Any], make_teacher: Callable[..., Bundle], tmp_path: Path
) -> None:
    teacher = make_teacher()
    fingerprints = set()
    for weight in (0.2, 0.9):
        taught["data"][0]["distillation"] = weight
        place = tmp_path / f"with-{weight}"
        options = RunOptions(place / "run", place / "bundle", None, teachers={tmp_path / "teacher": teacher})
        fingerprints.add(load_bundle(run_recipe(recipe_from(taught), options)).fingerprint)
    assert len(fingerprints) == 2


def test_every_entry_with_a_weight_has_a_lesson(taught: dict[str, Any], make_teacher: Callable[..., Bundle]) -> None:
    taught["data"].append({**taught["data"][0], "set": "nsmc", "distillation": 0.0})
    taught["languages"] = ["en", "ko"]
    taught["data"][0]["temperature"] = 2.0
    (name,), (lesson,) = zip(*lessons_of(recipe_from(taught), [make_teacher()], "cpu").items(), strict=True)
    assert (name, lesson.weight, lesson.temperature) == ("sentiment/own.jsonl", 0.5, 2.0)
    assert not any(parameter.requires_grad for parameter in lesson.teachers[0].parameters())


def test_each_entry_learns_from_the_teachers_that_it_names(
    taught: dict[str, Any], make_teacher: Callable[..., Bundle]
) -> None:
    one, two = make_teacher("one"), make_teacher("two")
    own = taught["data"][0]
    taught["data"] = [
        {**own, "set": name, "taught_by": by} for name, by in (("a.csv", [2]), ("b.csv", [1]), ("c.csv", []))
    ]
    recipe = recipe_from(taught)
    check_teachers(recipe, {Path("one"): one, Path("two"): two})
    lessons = lessons_of(recipe, [one, two], "cpu")
    known = {"sentiment/a.csv": [two], "sentiment/b.csv": [one], "sentiment/c.csv": [one, two]}
    for task, teachers in known.items():
        for found, teacher in zip(lessons[task].teachers, teachers, strict=True):
            assert found is teacher.model


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ([3], "data own.csv: there is no teacher 3, but 2 in all"),
        ([1], "nothing is taught by the teacher two, number 2"),
        ([0], r"taught_by must be a list of different numbers from 1, not \(0,\)"),
        ([1, 2, 1], r"different numbers from 1, not \(1, 2, 1\)"),
        (["one"], r"different numbers from 1, not \('one',\)"),
        (1, "a list of different numbers from 1, not 1"),
    ],
)
def test_numbers_of_teachers_that_cannot_be(
    taught: dict[str, Any], make_teacher: Callable[..., Bundle], by: Any, message: str
) -> None:
    teacher = make_teacher()
    taught["data"][0].update(set="own.csv", taught_by=by)
    with pytest.raises(ConfigError, match=message):
        check_teachers(recipe_from(taught), {Path("one"): teacher, Path("two"): teacher})


def test_who_is_not_taught_names_no_teacher(taught: dict[str, Any]) -> None:
    taught["data"][0].update(taught_by=[1], distillation=0.0)
    with pytest.raises(ConfigError, match="taught_by is for distillation, whose weight is 0"):
        recipe_from(taught)


def test_data_of_a_teacher_count_for_the_heads_that_it_taught(
    taught: dict[str, Any], make_teacher: Callable[..., Bundle]
) -> None:
    one, two = make_teacher("one"), make_teacher("two")
    head = taught["heads"]["sentiment"]
    taught["heads"] = {"sentiment": head, "mood": head}
    own = taught["data"][0]
    taught["data"] = [{**own, "taught_by": [2]}, {**own, "head": "mood", "distillation": 0.0}]
    sets = {known["set"]: known["heads"] for known in data_of(recipe_from(taught), None, [one, two])}
    assert sets == {"two.jsonl": ["sentiment"], "own.jsonl": ["mood", "sentiment"]}


def test_distillation_needs_teachers_and_teachers_distillation(
    taught: dict[str, Any], make_teacher: Callable[..., Bundle]
) -> None:
    with pytest.raises(ConfigError, match="sentiment: distillation needs teachers; name bundles with --teacher"):
        check_teachers(recipe_from(taught), {})
    taught["data"][0]["distillation"] = 0.0
    with pytest.raises(ConfigError, match="no data entry has a distillation above 0"):
        check_teachers(recipe_from(taught), {Path("t"): make_teacher()})


def test_a_teacher_must_answer_alike(taught: dict[str, Any], make_teacher: Callable[..., Bundle]) -> None:
    teacher, path = make_teacher(), Path("t")
    turned = recipe_from(
        {**taught, "heads": {"sentiment": {**taught["heads"]["sentiment"], "labels": ["good", "bad"]}}}
    )
    with pytest.raises(ConfigError, match=r"labels of sentiment are \['bad', 'good'\], the recipe's \['good', 'bad'\]"):
        check_teachers(turned, {path: teacher})
    other = recipe_from(
        {**taught, "heads": {"mood": taught["heads"]["sentiment"]}, "data": [{**taught["data"][0], "head": "mood"}]}
    )
    with pytest.raises(ConfigError, match="the teacher t has no head mood; it has sentiment"):
        check_teachers(other, {path: teacher})
    model = recipe_from({**taught, "heads": {"sentiment": {"kind": "language_model"}}})
    with pytest.raises(ConfigError, match="sentiment is another kind of head than the recipe's"):
        check_teachers(model, {path: teacher})


def test_vocabularies_must_be_the_same(
    taught: dict[str, Any], make_teacher: Callable[..., Bundle], tmp_path: Path
) -> None:
    one, other = make_teacher(), make_teacher("other", ("zebra", "xylophone", "quiz"), vocabulary_size=285)
    with pytest.raises(ConfigError, match="the teachers one and other have different vocabularies"):
        check_teachers(recipe_from(taught), {Path("one"): one, Path("other"): other})
    options = RunOptions(tmp_path / "run", tmp_path / "bundle", None, init=other, teachers={Path("one"): one})
    taught["backbone"] = {"embedding_size": 8, "hidden_size": 12}
    with pytest.raises(ConfigError, match="the teachers have another vocabulary than the initial bundle"):
        run_recipe(recipe_from(taught), options)

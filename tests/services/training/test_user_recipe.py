from pathlib import Path

import pytest

from rondo_models.config import ConfigError
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_services.training.recipe import DataEntry
from rondo_services.training.user_recipe import TASKS, user_recipe, with_steps


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "letters.csv"
    path.write_text("text,label,source,target\nliked it,good,one,eins\nso so,mixed,two,zwei\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("task", TASKS)
def test_each_task_has_one_head_for_the_file(data: Path, task: str) -> None:
    recipe = user_recipe(task, data, "en", "de")
    assert recipe.name == f"letters-{task}"
    assert list(recipe.heads) == [task]
    assert recipe.data == (DataEntry(str(data), task, language="en", target_language="de"),)
    assert recipe.languages == (("en", "de") if task == "translation" else ("en",))


def test_translations_may_be_of_any_known_languages(data: Path) -> None:
    assert user_recipe("translation", data, "en", "fr").languages == ("en", "fr")
    with pytest.raises(ConfigError, match="recipe: unknown language 'es'; possible are en, de, ko, fr"):
        user_recipe("translation", data, "en", "es")


def test_a_translation_is_into_another_language(data: Path) -> None:
    with pytest.raises(ConfigError, match="from en into en: give --language and --target-language"):
        user_recipe("translation", data, "en", "en")


def test_labels_are_those_of_the_file(data: Path) -> None:
    head = user_recipe("sentiment", data, "en", "en").heads["sentiment"]
    assert isinstance(head, ClassifierConfig)
    assert head.labels == ("good", "mixed")


def test_summaries_may_copy(data: Path) -> None:
    head = user_recipe("summarization", data, "ko", "ko").heads["summarization"]
    assert isinstance(head, Seq2SeqConfig)
    assert head.copy


def test_an_unknown_task_lists_the_valid_ones(data: Path) -> None:
    with pytest.raises(ConfigError, match="unknown task 'parsing'; choose one of sentiment, generation"):
        user_recipe("parsing", data, "en", "en")


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letters.csv"
    path.write_text("body,label\nliked it,good\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"letters\.csv:2: expected the columns text, label; found body, label"):
        user_recipe("sentiment", path, "en", "en")


@pytest.mark.parametrize("content", ["", "text,label\n"])
def test_a_file_without_rows_says_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / "letters.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"letters\.csv: there are no rows in it"):
        user_recipe("sentiment", path, "en", "en")


def test_fewer_steps_have_a_shorter_warmup(data: Path) -> None:
    recipe = user_recipe("generation", data, "en", "en")
    short = with_steps(recipe, 50).training
    assert (short.steps, short.warmup_steps) == (50, 5)
    assert with_steps(recipe, 5).training.warmup_steps == 1
    assert with_steps(recipe, 100_000).training.warmup_steps == recipe.training.warmup_steps

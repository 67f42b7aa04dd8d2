from collections.abc import Callable
from pathlib import Path

import pytest

from rondo_services.errors import InvalidInput
from rondo_services.evaluation.named_data import options_of

WriteXz = Callable[[str, str], Path]
TATOEBA = "We go home right now.\tWir gehen sofort nach Hause.\n"


@pytest.fixture
def root(write_xz: WriteXz, tmp_path: Path) -> Path:
    write_xz("nsmc/ratings_test.txt.xz", "id\tdocument\tlabel\n1\t정말 좋다\t1\n")
    write_xz("tatoeba/eng-deu.test.tsv.xz", TATOEBA)
    return tmp_path


def test_translation_is_told_the_languages_and_that_texts_are_what_they_are(root: Path) -> None:
    forward = options_of("translation", "tatoeba-en-de", "test", "forward", root)
    assert forward == {"source": "en", "target": "de", "format": "plain"}
    backward = options_of("translation", "tatoeba-en-de", "test", "backward", root)
    assert backward == {"source": "de", "target": "en", "format": "plain"}


def test_others_need_to_be_told_nothing(root: Path) -> None:
    assert options_of("sentiment", "nsmc", "test", "forward", root) == {}


@pytest.mark.parametrize(
    ("task", "data"), [("translation", "nsmc"), ("generation", "nsmc"), ("sentiment", "tatoeba-en-de")]
)
def test_data_of_another_task_are_refused(root: Path, task: str, data: str) -> None:
    with pytest.raises(InvalidInput, match=f"{data} is no data for {task}"):
        options_of(task, data, "test", "forward", root)


def test_a_split_that_is_not_there_is_refused(root: Path) -> None:
    with pytest.raises(InvalidInput, match="nsmc-pool has no test split"):
        options_of("sentiment", "nsmc-pool", "test", "forward", root)


def test_an_unknown_data_set_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="unknown data set 'nothing'"):
        options_of("sentiment", "nothing", "test", "forward", root)

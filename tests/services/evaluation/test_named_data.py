from collections.abc import Callable
from pathlib import Path

import pytest

from rondo_services.errors import InvalidInput
from rondo_services.evaluation.named_data import options_of, summary_baselines

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


def _stanza(number: int, synopsis: str, text: str) -> str:
    return f"Package: pkg{number}\nDescription-md5: {number}\nDescription-en: {synopsis}\n {text}\n"


def test_baselines_of_summaries_are_as_long_as_those_of_the_training_set(write_xz: WriteXz, tmp_path: Path) -> None:
    texts = [f"Program {n} counts the {n} birds near the pond." for n in range(60)]
    stanzas = [_stanza(n, f"tool number {n}", text) for n, text in enumerate(texts)]
    write_xz("debian_descriptions/Translation-en.xz", "\n".join(stanzas))
    lines = [
        {"line": n, "text": text, "expected": [f"tool number {n}"], "summary": "no"} for n, text in enumerate(texts[:5])
    ]
    baselines = summary_baselines("debian-synopsis-en", tmp_path, lines)
    assert list(baselines) == ["lead-3-words", "lexrank-sentence-3-words", "nearest-neighbour"]
    assert baselines["lead-3-words"]["rouge1"] == pytest.approx(100 / 3)
    assert baselines["nearest-neighbour"]["rougeL"] >= 200 / 3
    assert not {"num_without_expected", "signatures"} & set(baselines["lead-3-words"])
    assert all(line["summary"] == "no" for line in lines)

from pathlib import Path

import pytest

from rondo_services.datasets.compression import sentence_compression
from rondo_services.datasets.examples import TaggedWords


@pytest.fixture
def write(tmp_path: Path) -> Path:
    folder = tmp_path / "sentence_compression"
    folder.mkdir()
    return folder / "dev.conll"


def _file(*sentences: str) -> str:
    """Of words, of which those in upper case are marked as the headline's."""
    return "".join(
        "".join(f"{word.lower()}\t{'B-DEL' if word.isupper() else '0'}\n" for word in sentence.split()) + "\n"
        for sentence in sentences
    )


def test_the_marked_words_are_kept(tmp_path: Path, write: Path) -> None:
    write.write_text(_file("A WOMAN was HURT", "all OF it"), encoding="utf-8")
    first, second = sentence_compression(tmp_path, "dev")
    assert first == TaggedWords(
        "a woman was hurt", ((0, 1), (2, 7), (8, 11), (12, 16)), ("keep", "keep", "delete", "keep"), "en"
    )
    assert second.labels == ("delete", "keep", "delete")


def test_a_last_sentence_needs_no_empty_line(tmp_path: Path, write: Path) -> None:
    write.write_text(_file("ONE two", "three FOUR").rstrip("\n"), encoding="utf-8")
    assert [example.text for example in sentence_compression(tmp_path, "dev")] == ["one two", "three four"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("it was n't Obama 's , he said .", "it wasn't Obama's, he said."),
        ("`` Wait ! '' he said", '"Wait!" he said'),
        ("he paid $ 5 ( 3 % )", "he paid $5 (3%)"),
        ("`The Wave 's '", "'The Wave's'"),
        ("years ' experience", "years' experience"),
    ],
)
def test_texts_are_written_as_people_write(tmp_path: Path, write: Path, words: str, text: str) -> None:
    write.write_text("".join(f"{word}\t0\n" for word in words.split()), encoding="utf-8")
    (example,) = sentence_compression(tmp_path, "dev")
    assert example.text == text
    found = [text[begin:end] for begin, end in example.spans]
    assert len(found) == len(words.split())
    assert "".join(found) == text.replace(" ", "")

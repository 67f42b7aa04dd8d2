from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from rondo_services.datasets.aeslc import LONGEST_EMAIL, beginning
from rondo_services.datasets.catalog import data_set
from rondo_services.datasets.examples import Pair

WriteTar = Callable[[str, Mapping[str, str]], Path]
MAILS = {
    "LICENSE.md": "Free.\n\n@subject\nno mail",
    "enron_subject_line/train/heron-b_sent_1.subject": "Dear Bird,  the pond\tis frozen.\nCome @subject soon.\n\n"
    "@subject\nFrozen pond\n",
    "enron_subject_line/dev/heron-b_sent_2.subject": "Shall we fish?\n\n@subject\nFishing\n\n@ann0\nfishing today\n\n"
    "@ann1\nShall we fish\n\n@ann2\nfishing today",
    "enron_subject_line/test/heron-b_sent_3.subject": "Bye.\n\n@subject\nLast\n\n@ann0\none\n\n@ann1\ntwo\n\n"
    "@ann2\nthree",
    "enron_subject_line/test/heron-b_sent_3.subject.orig": "Not this.\n\n@subject\nLast",
}


def test_an_email_has_its_own_subject_and_those_of_annotators(write_tar: WriteTar, tmp_path: Path) -> None:
    write_tar("aeslc/aeslc.tar.xz", MAILS)
    read = data_set("aeslc").read
    assert list(read(tmp_path, "train")) == [
        Pair("Dear Bird, the pond is frozen.\nCome @subject soon.", "Frozen pond", "en", "en")
    ]
    assert list(read(tmp_path, "dev")) == [
        Pair("Shall we fish?", "Fishing", "en", "en", ("Fishing", "fishing today", "Shall we fish", "fishing today"))
    ]
    assert list(read(tmp_path, "test")) == [Pair("Bye.", "Last", "en", "en", ("Last", "one", "two", "three"))]


def test_the_original_subject_can_be_the_only_reference(write_tar: WriteTar, tmp_path: Path) -> None:
    write_tar("aeslc/aeslc.tar.xz", MAILS)
    read = data_set("aeslc-original").read
    assert list(read(tmp_path, "test")) == [Pair("Bye.", "Last", "en", "en", ("Last",))]
    assert list(read(tmp_path, "train")) == list(data_set("aeslc").read(tmp_path, "train"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one two\n\n three ", "one two\nthree"),
        ("w " * LONGEST_EMAIL + "\nover", " ".join(["w"] * LONGEST_EMAIL)),
        ("w\n" * (LONGEST_EMAIL - 1) + "last over", "w\n" * (LONGEST_EMAIL - 1) + "last"),
        (" \n", ""),
    ],
)
def test_the_beginning_of_a_text(text: str, expected: str) -> None:
    assert beginning(text) == expected


def test_the_mails_are_not_to_be_published() -> None:
    assert {data_set(name).ships for name in ("aeslc", "aeslc-original")} == {"no"}

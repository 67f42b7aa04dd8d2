import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from rondo_services.datasets.catalog import data_set
from rondo_services.datasets.debian import LARGEST_TEST_GROUP, Description, read_descriptions, summaries, translations
from rondo_services.datasets.examples import SPLITS, Pair, Split

WriteXz = Callable[[str, str], Path]
STANZAS = """\
Package: heron
Description-md5: 1111
Description-en: bird watcher for the console
 Heron shows which birds
 are near the pond.
 .
 It needs   a camera:
  * small
  * waterproof

Package: heron-doc
Description-md5: 2222
Description-en: bird watcher (documentation)
 One paragraph: Package: is no field here.

Package: bare
Description-md5: 3333
Description-en: has no long text

Package: undescribed
Description-md5: 4444

"""


def test_stanzas(write_xz: WriteXz, tmp_path: Path) -> None:
    write_xz("debian_descriptions/Translation-en.xz", STANZAS)
    assert list(read_descriptions(tmp_path, "en")) == [
        Description(
            "heron",
            "1111",
            "bird watcher for the console",
            ("Heron shows which birds are near the pond.", "It needs a camera: * small * waterproof"),
        ),
        Description(
            "heron-doc", "2222", "bird watcher (documentation)", ("One paragraph: Package: is no field here.",)
        ),
    ]


def test_a_long_text_has_its_paragraphs_on_lines() -> None:
    assert Description("heron", "1111", "birds", ("One.", "Two.")).long_text == "One.\nTwo."


def test_fields_with_a_country_are_read(write_xz: WriteXz, tmp_path: Path) -> None:
    write_xz(
        "debian_descriptions/Translation-en.xz",
        "Package: heron\nDescription-md5: 1\nDescription-en_GB: birds\n Colour of birds.\n",
    )
    assert [description.synopsis for description in read_descriptions(tmp_path, "en")] == ["birds"]


@dataclass(frozen=True)
class Made:
    """An invented description."""

    package: str
    synopsis: str
    paragraphs: Sequence[str]

    @property
    def key(self) -> str:
        return hashlib.md5(self.package.encode(), usedforsecurity=False).hexdigest()

    def stanza(self, language: str) -> str:
        mark = "" if language == "en" else f"[{language}] "
        body = "\n .\n".join(f" {mark}{paragraph}" for paragraph in self.paragraphs)
        return (
            f"Package: {self.package}\nDescription-md5: {self.key}\n"
            f"Description-{language}: {mark}{self.synopsis}\n{body}\n"
        )


def write_all(write_xz: WriteXz, made: Sequence[Made]) -> None:
    for language in ("en", "de", "ko", "fr"):
        text = "\n".join(description.stanza(language) for description in made)
        write_xz(f"debian_descriptions/Translation-{language}.xz", text)


def splits_of_packages(root: Path, language: str, made: Sequence[Made]) -> dict[str, Split]:
    """The split that each package's summary is in."""
    packages = {f"{description.synopsis}": description.package for description in made}
    mark = "" if language == "en" else f"[{language}] "
    return {
        packages[pair.target.removeprefix(mark)]: split for split in SPLITS for pair in summaries(root, split, language)
    }


@pytest.fixture
def made() -> list[Made]:
    """1,000 packages, many of which share one of their first two paragraphs or its beginning with others."""
    rng = random.Random(7)
    stems = [f"This is the project number {number} of the quiet valley, about which much" for number in range(800)]
    described = []
    for number in range(1000):
        stem = rng.choice(stems)
        endings = [stem, f"{stem} is said.", f"{stem.upper()}, or little, is known."]
        paragraphs = [f"Alone in the world, package {number} does what no other one does.", rng.choice(endings)]
        rng.shuffle(paragraphs)
        described.append(
            Made(f"made-{number}", f"synopsis of number {number}", [*paragraphs, f"More of it in {number}."])
        )
    return described


def test_packages_that_share_a_paragraph_are_in_one_split(write_xz: WriteXz, tmp_path: Path, made: list[Made]) -> None:
    write_all(write_xz, made)
    splits = splits_of_packages(tmp_path, "en", made)
    assert len(splits) == len(made)
    assert set(splits.values()) == set(SPLITS)
    by_paragraph = defaultdict(set)
    for description in made:
        for paragraph in description.paragraphs[:2]:
            by_paragraph[paragraph].add(splits[description.package])
            by_paragraph[paragraph.casefold()[:60]].add(splits[description.package])
    assert all(len(found) == 1 for found in by_paragraph.values())


def test_no_later_paragraph_is_in_two_splits_either(write_xz: WriteXz, tmp_path: Path, made: list[Made]) -> None:
    """Once 106 test descriptions shared a third or later paragraph with training."""
    shared = [
        replace(description, paragraphs=[*description.paragraphs[:2], f"See the tale number {number % 700}."])
        for number, description in enumerate(made)
    ]
    write_all(write_xz, shared)
    splits = splits_of_packages(tmp_path, "en", shared)
    assert set(splits.values()) == set(SPLITS)
    by_paragraph = defaultdict(set)
    for description in shared:
        for paragraph in description.paragraphs:
            by_paragraph[paragraph].add(splits[description.package])
    assert all(len(found) == 1 for found in by_paragraph.values())


def test_the_split_is_the_same_for_every_language(write_xz: WriteXz, tmp_path: Path, made: list[Made]) -> None:
    write_all(write_xz, made)
    english = splits_of_packages(tmp_path, "en", made)
    assert splits_of_packages(tmp_path, "de", made) == english
    assert splits_of_packages(tmp_path, "ko", made) == english
    assert splits_of_packages(tmp_path, "fr", made) == english


def test_translations_follow_the_split_of_the_summaries(write_xz: WriteXz, tmp_path: Path, made: list[Made]) -> None:
    write_all(write_xz, made)
    splits = splits_of_packages(tmp_path, "en", made)
    package_of = {description.synopsis: description.package for description in made}
    seen = 0
    for split in SPLITS:
        for pair in translations(tmp_path, split, "de"):
            assert pair.target == f"[de] {pair.source}"
            if pair.source in package_of:
                assert splits[package_of[pair.source]] == split
                seen += 1
    assert seen == len(made)


@pytest.mark.parametrize("language", ["de", "ko", "fr"])
def test_the_catalog_has_both_of_each_language(
    write_xz: WriteXz, tmp_path: Path, made: list[Made], language: str
) -> None:
    write_all(write_xz, made[:40])
    synopses = list(data_set(f"debian-synopsis-{language}").read(tmp_path, "train"))
    pairs = list(data_set(f"debian-en-{language}").read(tmp_path, "train"))
    assert synopses == list(summaries(tmp_path, "train", language))
    assert pairs == list(translations(tmp_path, "train", language))
    assert f"[{language}]" in repr(synopses[0])
    assert f"[{language}]" in repr(pairs[0])


def _test_package() -> str:
    """A name whose hash lies in the test part and that comes first in the alphabet of the names used below."""
    return next(
        name
        for name in (f"a{number}" for number in range(10_000))
        if int(hashlib.sha256(name.encode()).hexdigest(), 16) % 100 < 3
    )


@pytest.mark.parametrize("size", [LARGEST_TEST_GROUP, LARGEST_TEST_GROUP + 1])
def test_a_large_family_is_for_training(write_xz: WriteXz, tmp_path: Path, size: int) -> None:
    names = [_test_package(), *(f"z{number}" for number in range(1, size))]
    family = [Made(name, f"synopsis of {name}", ["The family's own words.", f"Only {name}."]) for name in names]
    write_all(write_xz, family)
    expected = "test" if size == LARGEST_TEST_GROUP else "train"
    assert splits_of_packages(tmp_path, "en", family) == dict.fromkeys(names, expected)


def test_equal_long_texts_count_once(write_xz: WriteXz, tmp_path: Path) -> None:
    write_all(write_xz, [Made("z1", "first", ["Same text."]), Made("z2", "second", ["Same text."])])
    found = [pair for split in SPLITS for pair in summaries(tmp_path, split, "en")]
    assert found == [Pair("Same text.", "first", "en", "en")]


def test_paragraphs_pair_only_where_both_have_as_many(write_xz: WriteXz, tmp_path: Path) -> None:
    write_xz(
        "debian_descriptions/Translation-en.xz",
        "Package: z1\nDescription-md5: 1\nDescription-en: one\n First.\n .\n Second.\n\n"
        "Package: z2\nDescription-md5: 2\nDescription-en: two\n Alpha.\n .\n Same.\n\n"
        "Package: z3\nDescription-md5: 3\nDescription-en: two\n Gamma.\n",
    )
    write_xz(
        "debian_descriptions/Translation-de.xz",
        "Package: z1\nDescription-md5: 1\nDescription-de: eins\n Erstens und zweitens.\n\n"
        "Package: z2\nDescription-md5: 2\nDescription-de: zwei\n Anfang.\n .\n Same.\n\n"
        "Package: z3\nDescription-md5: 3\nDescription-de: zwei\n Ende.\n\n"
        "Package: z9\nDescription-md5: 9\nDescription-de: fremd\n Ohne Vorlage.\n",
    )
    found = {(pair.source, pair.target) for split in SPLITS for pair in translations(tmp_path, split, "de")}
    assert found == {("one", "eins"), ("two", "zwei"), ("Alpha.", "Anfang."), ("Gamma.", "Ende.")}
    count = sum(1 for split in SPLITS for _ in translations(tmp_path, split, "de"))
    assert count <= len(found) + 1  # the synopsis that two packages share may be in two splits

import json
from pathlib import Path

from rondo_services.datasets.catalog import data_set
from rondo_services.datasets.examples import Labelled, Pair

ROWS = {
    "train": [
        {
            "source": ["Herons fish. ", "We count\nthem.\n", " "],
            "source_labels": [0, 1, 0],
            "target": ["We count herons. ", "Herons counted."],
        }
    ],
    "dev": [{"source": ["Ponds freeze."], "source_labels": [1], "target": ["Ice on ponds.\n"]}],
    "test": [
        {
            "source": ["Frogs sing.", "Why?"],
            "source_labels": [1, 0],
            "target": ["Frogs sing at night.", "On songs of frogs."],
        }
    ],
}


def write_rows(root: Path) -> None:
    (root / "scitldr").mkdir()
    for split, rows in ROWS.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (root / "scitldr" / f"{split}.jsonl").write_text(text, encoding="utf-8")


def test_abstracts_have_one_or_more_summaries(tmp_path: Path) -> None:
    write_rows(tmp_path)
    read = data_set("scitldr").read
    assert list(read(tmp_path, "train")) == [
        Pair("Herons fish. We count\nthem.", "We count herons.", "en", "en"),
        Pair("Herons fish. We count\nthem.", "Herons counted.", "en", "en"),
    ]
    assert list(read(tmp_path, "dev")) == [Pair("Ponds freeze.", "Ice on ponds.", "en", "en", ("Ice on ponds.",))]
    assert list(read(tmp_path, "test")) == [
        Pair("Frogs sing. Why?", "Frogs sing at night.", "en", "en", ("Frogs sing at night.", "On songs of frogs."))
    ]


def test_one_sentence_of_an_abstract_is_its_summary(tmp_path: Path) -> None:
    write_rows(tmp_path)
    entry = data_set("scitldr-sentences")
    assert list(entry.read(tmp_path, "train")) == [
        Labelled("Herons fish.", "other", "en"),
        Labelled("We count\nthem.", "summary", "en"),
    ]
    assert [example.label for example in entry.read(tmp_path, "test") if isinstance(example, Labelled)] == [
        "summary",
        "other",
    ]
    assert entry.kept_apart == ("scitldr",)

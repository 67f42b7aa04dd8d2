import json
from pathlib import Path

from rondo_services.datasets.catalog import data_set
from rondo_services.datasets.examples import Pair

ROWS = {
    "train": [{"source": ["Herons fish. ", "We count\nthem.\n"], "target": ["We count herons. ", "Herons counted."]}],
    "dev": [{"source": ["Ponds freeze."], "target": ["Ice on ponds.\n"]}],
    "test": [{"source": ["Frogs sing.", "Why?"], "target": ["Frogs sing at night.", "On songs of frogs."]}],
}


def test_abstracts_have_one_or_more_summaries(tmp_path: Path) -> None:
    (tmp_path / "scitldr").mkdir()
    for split, rows in ROWS.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "scitldr" / f"{split}.jsonl").write_text(text, encoding="utf-8")
    read = data_set("scitldr").read
    assert list(read(tmp_path, "train")) == [
        Pair("Herons fish. We count\nthem.", "We count herons.", "en", "en"),
        Pair("Herons fish. We count\nthem.", "Herons counted.", "en", "en"),
    ]
    assert list(read(tmp_path, "dev")) == [Pair("Ponds freeze.", "Ice on ponds.", "en", "en", ("Ice on ponds.",))]
    assert list(read(tmp_path, "test")) == [
        Pair("Frogs sing. Why?", "Frogs sing at night.", "en", "en", ("Frogs sing at night.", "On songs of frogs."))
    ]

"""The test rows of a user's own files, written out so that they can be measured on (`rondo evaluate`)."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ..datasets.catalog import DATA_SETS
from ..datasets.examples import Document, Example, Labelled, Pair
from .recipe import Recipe
from .user_data import read_user_file


def keep_test_rows(recipe: Recipe, folder: Path) -> None:
    """Write to `FILE-test.jsonl` the rows of each own file that are neither trained on nor dev, in the columns that
    training reads; to `HEAD-FILE-test.jsonl` if files of several entries are called alike.

    What was written when a file was not yet used for training as a whole is removed.
    """
    files = [entry for entry in recipe.data if entry.set not in DATA_SETS]
    for entry in files:
        file = Path(entry.set)
        for name in (file.stem, f"{entry.head}-{file.name}") if entry.train_only else ():
            (folder / f"{name}-test.jsonl").unlink(missing_ok=True)
    own = [entry for entry in files if not entry.train_only]
    stems = Counter(Path(entry.set).stem for entry in own)
    for entry in own:
        file = Path(entry.set)
        name = file.stem if stems[file.stem] == 1 else f"{entry.head}-{file.name}"
        rows = [_row(example) for example in read_user_file(file, entry, recipe.heads[entry.head], "test")]
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}-test.jsonl").write_text(content, encoding="utf-8")


def _row(example: Example) -> Mapping[str, str]:
    match example:
        case Labelled():
            return {"text": example.text, "label": example.label}
        case Pair():
            return {"source": example.source, "target": example.target}
        case Document():
            return {"text": "\n".join(example.lines)}
        case _:
            raise TypeError(f"a user's file has no {type(example).__name__}")

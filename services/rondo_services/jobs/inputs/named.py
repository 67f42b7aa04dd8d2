"""Named data sets (docs/data.md) → items, as `rondo evaluate` measures them."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from ...datasets.catalog import data_set
from ...datasets.examples import SPLITS, Document, Example, Labelled, Pair, TaggedWords
from ...datasets.files import ENVIRONMENT_VARIABLE, DataMissing
from ...datasets.translation import reversed_pair, with_all_references
from ...errors import InvalidInput
from ..items import Item
from ..spec import JobInput

PREFIX = "data:"


def named_items(spec: JobInput, root: Path | None) -> Iterator[Item]:
    """The items of `data:NAME/SPLIT`; a running text is one, however long.

    Raises:
        InvalidInput: there is no such data set or split, its files are missing, or `spec` has what is for files only.
    """
    name, separator, split = spec.source.removeprefix(PREFIX).partition("/")
    _check_plain(spec)
    try:
        read = data_set(name).read
    except ValueError as error:
        raise InvalidInput(str(error), field="input.source") from error
    if not separator or split not in SPLITS:
        wrong = f"{split!r} is no split" if separator else "the split is missing"
        message = f"{spec.source}: {wrong}; write {PREFIX}{name}/ and one of {', '.join(SPLITS)}"
        raise InvalidInput(message, field="input.source")
    if root is None:
        message = f"{spec.source}: set {ENVIRONMENT_VARIABLE} to the folder that holds the data sets"
        raise InvalidInput(message, field="input.source")
    examples = read(root, split)
    try:
        first = next(examples, None)
    except DataMissing as error:
        raise InvalidInput(f"{spec.source}: {error}", field="input.source") from error
    if first is None:
        raise InvalidInput(f"{name} has no {split} split", field="input.source")
    examples = chain((first,), examples)
    if isinstance(first, Pair):
        pairs = (pair for pair in examples if isinstance(pair, Pair))
        return _items(with_all_references(map(reversed_pair, pairs) if spec.direction == "backward" else pairs))
    if spec.direction == "backward":
        raise InvalidInput(f"{spec.source}: only pairs have a backward direction", field="input.direction")
    return _items(examples)


def _check_plain(spec: JobInput) -> None:
    told = {
        "format": spec.format != "auto",
        "compression": spec.compression != "auto",
        "text": spec.text != "text",
        "expected": spec.expected is not None,
        "id": spec.id is not None,
    }
    for field, is_told in told.items():
        if is_told:
            message = f"{spec.source}: a named data set knows its own {field}; leave it out"
            raise InvalidInput(message, field=f"input.{field}")


def _items(examples: Iterable[Example]) -> Iterator[Item]:
    for index, example in enumerate(examples):
        match example:
            case Labelled():
                yield Item(index, index + 1, example.text, (example.label,), None, example.language)
            case Pair():
                yield Item(index, index + 1, example.source, example.references, None, example.source_language)
            case TaggedWords():
                yield Item(index, index + 1, example.text, (), None, example.language)
            case Document():
                yield Item(index, index + 1, "\n".join(example.lines), (), None, example.language)

"""A user's own data: a CSV, TSV or JSONL file with one or two named columns per task."""

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rondo_models.config import ConfigError
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_models.heads.tagger import TaggerConfig
from rondo_models.model import HeadConfig
from rondo_tokenizers.normalization import compose

from ..datasets.examples import Document, Example, Labelled, Pair, Split

if TYPE_CHECKING:
    from .recipe import DataEntry

COLUMNS = {
    "classifier": ("text", "label"),
    "seq2seq": ("source", "target"),
    "language_model": ("text",),
}
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
csv.field_size_limit(2**31 - 1)  # else the reader refuses long texts

_LABEL = "label"
_SHOWN = 40
_DEV_PERCENT = 5
_TEST_PERCENT = 5


def require_file(path: Path) -> None:
    """Raise ConfigError if a data entry names neither a file nor, as was seen before, a data set."""
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file, and no data set of that name")


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    require_file(path)
    if path.suffix not in (*_DELIMITERS, ".jsonl"):
        raise ConfigError(f"{path}: expected a .csv, .tsv or .jsonl file")
    number = None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, record in _records(path, file):
                values = record if isinstance(record, dict) else {}
                values = {name: value for name, value in values.items() if value is not None}
                if any(column not in values for column in columns):
                    found = ", ".join(map(str, values)) or "none"
                    raise ConfigError(f"{path}:{number}: expected the columns {', '.join(columns)}; found {found}")
                try:
                    texts = {column: _text(column, values[column]) for column in columns}
                except ValueError as error:
                    raise ConfigError(f"{path}:{number}: {error}") from error
                if blank := [column for column in columns if not texts[column].strip()]:
                    raise ConfigError(f"{path}:{number}: nothing in {' and '.join(blank)}; leave the row out")
                yield number, tuple(texts[column] for column in columns)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: no UTF-8 text: {error}") from error
    if number is None:
        raise ConfigError(f"{path}: there are no rows in it")


def _records(path: Path, file: TextIO) -> Iterator[tuple[int, object]]:
    """The file's records as they are, each with the number of its (last) line."""
    if path.suffix == ".jsonl":
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, _json(path, number, line)
        return
    reader = csv.DictReader(file, delimiter=_DELIMITERS[path.suffix], strict=True)
    try:
        names = reader.fieldnames or ()
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(f"{path}:1: several columns are called {', '.join(twice)}")
        for record in reader:
            if None in record:  # cells without a column
                raise ConfigError(
                    f"{path}:{reader.line_num}: {len(names) + len(record[None])} cells, but {len(names)} columns; "
                    "a cell that holds the separator needs quotes"
                )
            yield reader.line_num, record
    except csv.Error as error:
        raise ConfigError(f"{path}:{reader.reader.line_num}: {error}") from error


def _json(path: Path, number: int, line: str) -> object:
    try:
        value: object = json.loads(line)
        json.dumps(value, ensure_ascii=False).encode()  # refuses lone surrogates, which are no text
    except RecursionError as error:
        raise ConfigError(f"{path}:{number}: the JSON is nested too deep") from error
    except ValueError as error:  # also more digits than Python reads
        raise ConfigError(f"{path}:{number}: {error}") from error
    return value


def _text(column: str, value: object) -> str:
    """What is in a column; of labels also a number or boolean, and none is told from another by white space around it
    or by how its characters are composed, as in `rondo evaluate`.

    Raises:
        ValueError: it is no text.
    """
    if column == _LABEL and isinstance(value, bool | int | float):
        return json.dumps(value, allow_nan=False)
    if not isinstance(value, str):
        raise ValueError(f"{column} is {json.dumps(value)[:_SHOWN]}, which is no text")
    return compose(value).strip() if column == _LABEL else value


def _split_of(text: str) -> Split:
    bucket = int(hashlib.sha256(text.encode()).hexdigest(), 16) % 100
    if bucket < _DEV_PERCENT:
        return "dev"
    return "test" if bucket < _DEV_PERCENT + _TEST_PERCENT else "train"


def read_user_file(path: Path, entry: "DataEntry", head: HeadConfig, split: Split) -> Iterator[Example]:
    """Rows of the file that fall in `split` by a hash of their first column; all fall in train if the entry says so.

    Raises:
        ConfigError: no such file, a wrong ending, no UTF-8, no rows, a broken one, a missing or blank cell; with file
            and line.
            Or the head is a tagger.
    """

    def falls_here(text: str) -> bool:
        return ("train" if entry.train_only else _split_of(text)) == split

    match head:
        case ClassifierConfig():
            for _, (text, label) in _rows(path, COLUMNS["classifier"]):
                if falls_here(text):
                    yield Labelled(text, label, entry.language)
        case Seq2SeqConfig():
            for _, (source, target) in _rows(path, COLUMNS["seq2seq"]):
                if falls_here(source):
                    yield Pair(source, target, entry.language, entry.target_language)
        case LanguageModelConfig():
            for _, (text,) in _rows(path, COLUMNS["language_model"]):
                if falls_here(text):
                    yield Document((text,), entry.language)
        case TaggerConfig():
            raise ConfigError(f"{path}: the head {entry.head} tags words, which only a named data set has labels for")


def labels_in(path: Path) -> tuple[str, ...]:
    """The distinct labels of a classification file, sorted."""
    return tuple(sorted({label for _, (_, label) in _rows(path, COLUMNS["classifier"])}))


def require_tsv(path: Path) -> None:
    """Before long work for a file: raise ConfigError if `write_tsv` could not write what `read_user_file` reads."""
    if path.suffix != ".tsv":
        raise ConfigError(f"{path}: the file to write must end in .tsv, so that training can read it")


def write_tsv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a file that `read_user_file` reads, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)

"""Keeps the encoded data of a run in a file: a resumed run begins at once, and a GPU machine needs no data sets."""

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import zstandard
from numpy.typing import NDArray

from rondo_models.config import ConfigError

from ..datasets.catalog import DATA_SETS
from .recipe import DataEntry, Recipe
from .user_data import require_file

Arrays = Mapping[str, NDArray[numpy.generic]]

_FORMAT = 3  # to be raised when the same data would be encoded otherwise
PREPARED = "prepared.npz.zst"
_FAR_APART = zstandard.ZstdCompressionParameters.from_level(9, window_log=27, enable_ldm=True)
_FURTHEST = 2**27


@dataclass(frozen=True, slots=True)
class EncodedEntry:
    """A data entry of a recipe in ids.

    Attributes:
        train: arrays by name; empty if there is no example.
        dev: likewise.
        left_out: training examples that dev or test texts, or repetition, kept out.
        too_long: training examples that were left out as they have more tokens than the recipe's `longest`.
    """

    train: Arrays
    dev: Arrays
    left_out: int
    too_long: int


def _of_entry(entry: DataEntry) -> str:
    """What decides on an entry's ids; not how it is then trained on."""
    content = ""
    if entry.set not in DATA_SETS:
        require_file(Path(entry.set))
        content = hashlib.sha256(Path(entry.set).read_bytes()).hexdigest()
    shape = (entry.set, entry.head, entry.direction, entry.most, entry.language, entry.target_language)
    return repr((*shape, entry.train_only, entry.fold, content))


def fingerprint(recipe: Recipe, tokenizer: bytes) -> str:
    """Of all that decides on the encoded data, but for what the named data sets hold: they may be elsewhere.

    Raises:
        ConfigError: a user's file is missing.
    """
    configs = {entry.head: recipe.heads[entry.head] for entry in recipe.data}
    heads = sorted((name, type(own).__name__, getattr(own, "labels", ())) for name, own in configs.items())
    parts = [_FORMAT, recipe.longest, recipe.dev_examples, heads, [*map(_of_entry, recipe.data)]]
    return hashlib.sha256(repr(parts).encode() + tokenizer).hexdigest()


def keep(folder: Path, mark: str, entries: Sequence[EncodedEntry]) -> None:
    """Write the entries beside `mark`, their fingerprint."""
    arrays: dict[str, NDArray[numpy.generic]] = {"mark": numpy.array(mark)}
    for number, entry in enumerate(entries):
        arrays[f"{number}/left_out"] = numpy.array(entry.left_out)
        arrays[f"{number}/too_long"] = numpy.array(entry.too_long)
        for split, own in (("train", entry.train), ("dev", entry.dev)):
            arrays.update({f"{number}/{split}/{name}": _narrowed(array) for name, array in own.items()})
    plain = io.BytesIO()
    numpy.savez(plain, **arrays)  # type: ignore[arg-type]  # it takes arrays by any name
    packed = zstandard.ZstdCompressor(compression_params=_FAR_APART).compress(plain.getbuffer())
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{PREPARED}.partial"
    partial.write_bytes(packed)
    partial.replace(folder / PREPARED)


def kept(folder: Path, mark: str) -> list[EncodedEntry] | None:
    """The entries that were kept under the same fingerprint, if there are any.

    Raises:
        ConfigError: the file is damaged.
    """
    path = folder / PREPARED
    if not path.is_file():
        return None
    try:
        plain = zstandard.ZstdDecompressor(max_window_size=_FURTHEST).decompress(path.read_bytes())
        return _unpacked(plain, mark)
    except (zstandard.ZstdError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ConfigError(f"{path} is damaged; delete it, and the data are read anew ({error})") from error


def _unpacked(plain: bytes, mark: str) -> list[EncodedEntry] | None:
    with numpy.load(io.BytesIO(plain), allow_pickle=False) as arrays:
        if str(arrays["mark"]) != mark:
            return None
        count = sum(name.endswith("/left_out") for name in arrays.files)
        found: list[dict[str, dict[str, NDArray[numpy.generic]]]] = [{"train": {}, "dev": {}} for _ in range(count)]
        for name in arrays.files:
            if name.count("/") == 2:
                number, split, own = name.split("/")
                found[int(number)][split][own] = arrays[name]
        counts = [[int(arrays[f"{number}/{name}"]) for name in ("left_out", "too_long")] for number in range(count)]
    return [EncodedEntry(own["train"], own["dev"], *out) for own, out in zip(found, counts, strict=True)]


def _narrowed(array: NDArray[numpy.generic]) -> NDArray[numpy.generic]:
    """The same numbers, none of them negative, in as few bytes as hold them."""
    assert int(array.min(initial=0)) >= 0
    largest = int(array.max(initial=0))
    return array.astype(numpy.min_scalar_type(largest))

"""What a file's name tells of its format and compression. Opens nothing."""

from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

from ...errors import InvalidInput
from ..spec import JobInput

Format = Literal["jsonl", "csv", "tsv", "parquet", "text"]
Packing = Literal["gzip", "xz", "zstd"]

_FORMATS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".txt": "text",
}
_PACKINGS: dict[str, Packing] = {".gz": "gzip", ".xz": "xz", ".zst": "zstd"}


def with_format_of(spec: JobInput, filename: str) -> JobInput:
    """`spec` with "auto" replaced by what the ending of `filename` says, where it says something.

    For a source whose own name tells nothing, such as an uploaded file.
    """
    format_, packing = _by_ending(filename)
    told: dict[str, str] = {}
    if spec.format == "auto" and format_:
        told["format"] = format_
    if spec.compression == "auto" and packing:
        told["compression"] = packing
    return spec.model_copy(update=told)


def format_of(spec: JobInput) -> Format:
    """The format of a file or of standard input.

    Raises:
        InvalidInput: it is not told, and no ending says it.
    """
    if spec.format != "auto":
        return spec.format
    choices = ", ".join(dict.fromkeys(_FORMATS.values()))
    if spec.source == "-":
        raise InvalidInput(f"standard input has no ending; tell its format: {choices}", field="input.format")
    format_, _ = _by_ending(spec.source)
    if format_ is None:
        raise InvalidInput(
            f"{spec.source}: the ending tells no format; known are {', '.join(_FORMATS)}, each also with "
            f"{', '.join(_PACKINGS)}; or tell the format: {choices}",
            field="input.format",
        )
    return format_


def name_of(spec: JobInput) -> str:
    """What a message calls the source."""
    return "standard input" if spec.source == "-" else spec.source


def packing_of(spec: JobInput) -> Packing | None:
    """The compression that is told, or that the ending says; None if there is none, or nothing says it."""
    if spec.compression == "none":
        return None
    return _by_ending(spec.source)[1] if spec.compression == "auto" else spec.compression


def _by_ending(source: str) -> tuple[Format | None, Packing | None]:
    """Of a path, or of a URL (the inner one of a chain, as fsspec writes `zip://a.csv::s3://bucket/b.zip`)."""
    name = source.split("::")[0]
    if "://" in name:
        name = urlsplit(name).path or urlsplit(name).netloc
    endings = [ending.lower() for ending in PurePosixPath(name).suffixes]
    packing = _PACKINGS.get(endings[-1]) if endings else None
    if packing:
        endings.pop()
    return _FORMATS.get(endings[-1]) if endings else None, packing

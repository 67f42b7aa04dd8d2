import pytest

from rondo_services.errors import InvalidInput
from rondo_services.jobs.inputs import with_format_of
from rondo_services.jobs.inputs.endings import format_of, packing_of
from rondo_services.jobs.spec import JobInput


@pytest.mark.parametrize(
    ("source", "format_", "packing"),
    [
        ("reviews.jsonl", "jsonl", None),
        ("/some/where/reviews.v2.ndjson.gz", "jsonl", "gzip"),
        ("a.CSV.XZ", "csv", "xz"),
        ("a.tsv.zst", "tsv", "zstd"),
        ("s3://bucket/part.parquet", "parquet", None),
        ("https://host/texts.txt.gz?version=2#top", "text", "gzip"),
        ("zip://inner.csv::https://host/archive.zip", "csv", None),
        ("memory://a.jsonl", "jsonl", None),
    ],
)
def test_the_ending_tells(source: str, format_: str, packing: str | None) -> None:
    spec = JobInput(source=source)
    assert (format_of(spec), packing_of(spec)) == (format_, packing)


def test_what_is_told_wins_over_the_ending() -> None:
    spec = JobInput(source="reviews.csv.gz", format="text", compression="none")
    assert (format_of(spec), packing_of(spec)) == ("text", None)


@pytest.mark.parametrize("source", ["reviews", "reviews.json", "reviews.de.gz", ".jsonl", "file-0123456789abcdef"])
def test_an_unknown_ending_lists_the_known_ones_and_what_may_be_told(source: str) -> None:
    with pytest.raises(InvalidInput, match=r"\.jsonl, .*\.gz.*tell the format: jsonl, csv, tsv") as caught:
        format_of(JobInput(source=source))
    assert caught.value.field == "input.format"


def test_standard_input_has_to_be_told() -> None:
    with pytest.raises(InvalidInput, match="standard input has no ending; tell its format: jsonl"):
        format_of(JobInput(source="-"))


def test_the_name_of_an_uploaded_file_tells_what_its_id_does_not() -> None:
    spec = with_format_of(JobInput(source="file-1"), "reviews.csv.gz")
    assert (spec.format, spec.compression, spec.source) == ("csv", "gzip", "file-1")
    assert with_format_of(JobInput(source="file-1", format="tsv"), "reviews.csv").format == "tsv"
    assert with_format_of(JobInput(source="file-1"), "reviews").format == "auto"

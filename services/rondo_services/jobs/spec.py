"""What a job is told: where its input is, which service answers it, and how."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from ..schema import Schema

JobService = Literal["sentiment", "translation", "summarization", "generation", "perplexity", "requests"]
"""perplexity scores texts as a language model sees them; requests are those of OpenAI's batches."""

InputFormat = Literal["auto", "jsonl", "csv", "tsv", "parquet", "text"]
Compression = Literal["auto", "none", "gzip", "xz", "zstd"]
_Column = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class JobInput(Schema):
    """Where the records are.

    A source is a path or URL that fsspec knows, `-` for standard input (command line only), `data:NAME/SPLIT` for a
    named data set (docs/data.md), or `file-…` for a file that was uploaded to the server.
    """

    source: str = Field(min_length=1, max_length=4096, examples=["file-0123456789abcdef"])
    format: InputFormat = Field("auto", description="auto: by the ending, as in reviews.jsonl.gz.")
    compression: Compression = Field("auto", description="auto: by the ending.")
    text: _Column = Field("text", description="Column (key, in JSONL) of the texts; a plain text file needs none.")
    expected: _Column | None = Field(
        None, description="Column of the right label, or of the reference or list of references."
    )
    id: _Column | None = Field(None, description="Column that is copied to the output.")
    direction: Literal["forward", "backward"] = Field(
        "forward", description="Of the pairs of a named data set: as in its name, or the other way."
    )
    limit: int = Field(0, ge=0, lt=2**63, description="Only the first so many records; 0 all.")


EXPECTED: Mapping[str, str] = {
    "sentiment": "right labels",
    "translation": "references",
    "summarization": "references",
}
"""What the expected column holds, of the services that are measured against one."""


class JobSpec(Schema):
    """A job as it is asked for; it never changes."""

    service: JobService
    input: JobInput
    options: dict[str, Any] = Field(
        default_factory=dict, description="As the service's own requests have them, such as target and beam_size."
    )
    evaluate: bool = Field(False, description="Measure the answers against the expected column, with a report.")
    max_errors: int | None = Field(
        None, ge=0, description="The job fails once more records than this could not be answered; null: it goes on."
    )
    chunk: int = Field(256, ge=1, le=10_000, description="Records that are answered, and written down, together.")

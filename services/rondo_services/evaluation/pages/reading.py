"""A report as its pages read it: checked, with everything optional but the task, and nothing in it that deceives.

Reports grow with versions, so unknown entries are kept (`model_extra`), and a null is the same as nothing.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ...errors import InvalidInput

_DECEIVING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def _given(value: Any) -> Any:
    """Without its nulls, where it is a mapping."""
    return {key: own for key, own in value.items() if own is not None} if isinstance(value, Mapping) else value


def _texts(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow")


Metrics = dict[str, Any]
Interval = tuple[float | None, float | None]
Intervals = Annotated[dict[str, Interval], BeforeValidator(_given)]
Texts = Annotated[list[str], BeforeValidator(_texts)]


class Group(_Part):
    """What was measured on some of the texts."""

    name: str
    num: int | None = None
    metrics: Metrics = {}
    intervals: Intervals = {}


class Worst(_Part):
    """One of the texts that were answered worst."""

    line: int | None = None
    text: str = ""
    expected: Texts = []
    predicted: str | None = None
    score: float | None = None


class Bin(_Part):
    """Answers of about the same confidence (0 to 1), and the share of them that is right."""

    confidence: float
    accuracy: float
    num: int = Field(ge=0)


class Histogram(_Part):
    """Counts of segments between each two edges."""

    measure: str = "score"
    edges: list[float] = []
    counts: list[Annotated[int, Field(ge=0)]] = []


class Attention(_Part):
    """Weights by target token, then by source token."""

    source: list[str] = []
    target: list[str] = []
    weights: list[list[float | None]] = []


def _parts(value: Any) -> Any:
    return [_given(part) for part in value] if isinstance(value, list) else value


def _grouped(value: Any) -> Any:
    return {key: _parts(groups) for key, groups in _given(value).items()} if isinstance(value, Mapping) else value


class ReportFile(_Part):
    """A `report.json`; the fields are the writer's (`evaluation/report.py`)."""

    task: str
    data: str = ""
    split: str = ""
    num_examples: int | None = None
    num_errors: int | None = None
    bundle: str = ""
    bundle_fingerprint: str = ""
    settings: dict[str, Any] = {}
    data_sha256: str = ""
    signature: str = ""
    seconds: float | None = None
    machine: dict[str, Any] = {}
    metrics: Metrics = {}
    intervals: Intervals = {}
    bootstrap: dict[str, Any] = {}
    baselines: Annotated[dict[str, Metrics], BeforeValidator(_given)] = {}
    breakdowns: Annotated[dict[str, list[Group]], BeforeValidator(_grouped)] = {}
    worst: Annotated[list[Worst], BeforeValidator(_parts)] = []
    calibration: list[Bin] = []
    histogram: Annotated[Histogram, BeforeValidator(_given)] = Histogram()
    speed: dict[str, Any] = {}
    attention: Annotated[list[Attention], BeforeValidator(_parts)] = []
    bias: dict[str, Any] = {}  # all that a probe found; what is shown of it is in the parts that every report has


def visible(value: Any) -> Any:
    """The same, with each character that can't be seen but changes what is seen written as its code, as ⟦U+202E⟧.

    These are controls, overrides and isolates of the writing direction, and halves of surrogate pairs, which JSON can
    hold and UTF-8 can't. Line ends and tabs stay. Keys of mappings are changed too.
    """
    if isinstance(value, str):
        text = value.replace("\r\n", "\n")
        return _DECEIVING.sub(lambda found: f"⟦U+{ord(found[0]):04X}⟧", text)
    if isinstance(value, Mapping):
        return {visible(str(key)): visible(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [visible(own) for own in value]
    return value


def read(report: Mapping[str, Any]) -> ReportFile:
    """Check a report.

    Raises:
        InvalidInput: it is not a mapping, has no task, or a part of it has another shape than parts of that name have.
    """
    if not isinstance(report, Mapping):
        raise InvalidInput(f"a report is an object with a task, not {type(report).__name__}")
    try:
        return ReportFile.model_validate(_given(visible(report)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"the report can't be shown: {place}: {first['msg']}", field=place) from error


def number(value: Any) -> float | None:
    """A JSON number as a float; None for all else, and for what is not a number (NaN)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return float(value)


def flattened(values: Mapping[str, Any], *before: str) -> Iterator[tuple[str, Any]]:
    """What is in nested mappings, by its way there, as ("chunk_seconds · p50", 0.2)."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flattened(value, *before, key)
        else:
            yield " · ".join((*before, key)), value

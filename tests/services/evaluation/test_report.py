import json
from dataclasses import replace
from pathlib import Path

import pytest

from rondo_services.evaluation.measuring import measure
from rondo_services.evaluation.report import REPORT, Report, write_report

LINES = [
    {
        "line": 1,
        "text": "좋다",
        "expected": ["positive"],
        "label": "positive",
        "score": 0.9,
        "scores": {"positive": 0.9},
    },
    {
        "line": 2,
        "text": "나쁘다",
        "expected": ["negative"],
        "label": "positive",
        "score": 0.6,
        "scores": {"positive": 0.6},
    },
]


@pytest.fixture(scope="module")
def report() -> Report:
    return Report(
        task="sentiment",
        data="nsmc",
        split="test",
        num_examples=2,
        num_errors=1,
        bundle="tiny 0.1.0",
        bundle_fingerprint="0123456789abcdef",
        settings={"beam_size": 4, "length_penalty": 1.0},
        data_sha256="fedcba9876543210",
        seconds=0.5,
        measured=measure("sentiment", LINES).as_record(),
        further={"baselines": {"always-positive": {"accuracy": 50.0}}},
    )


def test_the_signature_says_where_a_result_is_from(report: Report) -> None:
    parts = report.signature.split("|")
    assert parts[:5] == [
        "bundle:0123456789ab",
        "data:nsmc/test:fedcba987654",
        "n:2",
        "beam_size:4",
        "length_penalty:1.0",
    ]
    assert parts[5].startswith("rondo:0.")
    assert "data:own.csv:fedcba987654" in replace(report, data="own.csv", split="").signature


def test_another_bundle_split_or_setting_has_another_signature(report: Report) -> None:
    others = [
        replace(report, bundle_fingerprint="f" * 16),
        replace(report, data="sst2"),
        replace(report, split="dev"),
        replace(report, num_examples=1),
        replace(report, settings={"beam_size": 1, "length_penalty": 1.0}),
        replace(report, data_sha256="0" * 16),
    ]
    assert len({report.signature, *(other.signature for other in others)}) == 7


def test_it_is_written_with_its_pages(report: Report, tmp_path: Path) -> None:
    write_report(tmp_path, report.values())
    content = json.loads((tmp_path / REPORT).read_text(encoding="utf-8"))
    assert content == json.loads(json.dumps(report.values()))
    assert content["signature"] == report.signature
    assert content["metrics"]["accuracy"] == 50.0
    assert content["baselines"] == {"always-positive": {"accuracy": 50.0}}
    assert (content["num_examples"], content["num_errors"]) == (2, 1)
    assert set(content["machine"]) == {"processor", "logical_cores", "system", "python", "torch"}
    assert "나쁘다" in (tmp_path / REPORT).read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json", "report.md"]


def test_a_second_report_replaces_the_first(report: Report, tmp_path: Path) -> None:
    write_report(tmp_path, report.values())
    write_report(tmp_path, replace(report, split="dev").values())
    assert json.loads((tmp_path / REPORT).read_text(encoding="utf-8"))["split"] == "dev"


def test_a_number_that_json_does_not_have_is_our_mistake(report: Report, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_report(tmp_path, replace(report, seconds=float("nan")).values())
    assert not (tmp_path / REPORT).exists()

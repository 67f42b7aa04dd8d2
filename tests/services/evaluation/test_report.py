import json
from dataclasses import replace
from pathlib import Path

from rondo_services.datasets.examples import Labelled
from rondo_services.evaluation.report import Report, data_hash, write_report

REPORT = Report(
    task="sentiment",
    data="nsmc",
    split="test",
    num_examples=2,
    metrics={"accuracy": 50.0},
    baselines={"always-positive": {"accuracy": 50.0}},
    bundle="tiny 0.1.0",
    bundle_fingerprint="0123456789abcdef",
    settings={"beam": 4, "length_penalty": 1.0},
    data_sha256="fedcba9876543210",
    seconds=0.5,
)


def test_the_signature_says_where_a_result_is_from() -> None:
    parts = REPORT.signature.split("|")
    assert parts[:5] == [
        "bundle:0123456789ab",
        "data:nsmc/test:fedcba987654",
        "n:2",
        "beam:4",
        "length_penalty:1.0",
    ]
    assert parts[5].startswith("rondo:0.")


def test_another_bundle_split_or_setting_has_another_signature() -> None:
    others = [
        replace(REPORT, bundle_fingerprint="f" * 16),
        replace(REPORT, data="sst2"),
        replace(REPORT, split="dev"),
        replace(REPORT, num_examples=1),
        replace(REPORT, settings={"beam": 1, "length_penalty": 1.0}),
        replace(REPORT, data_sha256="0" * 16),
    ]
    assert len({REPORT.signature, *(report.signature for report in others)}) == 7


def test_the_data_hash_follows_content_and_order() -> None:
    good, bad = Labelled("좋다", "positive", "ko"), Labelled("나쁘다", "negative", "ko")
    assert data_hash([good, bad]) == data_hash(iter([good, bad]))
    hashes = {data_hash(examples) for examples in ([], [good], [good, bad], [bad, good], [replace(good, label="x")])}
    assert len(hashes) == 5


def test_both_files_are_written(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "nsmc"
    predictions = [{"text": "좋다\n", "predicted": "positive"}, {"text": "나쁘다", "predicted": "positive"}]
    write_report(folder, REPORT, predictions)
    lines = (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == predictions
    assert "좋다" in lines[0]
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert content["signature"] == REPORT.signature
    assert content["metrics"] == {"accuracy": 50.0}
    assert content["baselines"] == {"always-positive": {"accuracy": 50.0}}
    assert set(content["machine"]) == {"processor", "python", "torch"}


def test_a_second_report_replaces_the_first(tmp_path: Path) -> None:
    write_report(tmp_path, REPORT, [{"text": "a"}, {"text": "b"}])
    write_report(tmp_path, replace(REPORT, split="dev"), [{"text": "c"}])
    assert (tmp_path / "predictions.jsonl").read_text(encoding="utf-8") == '{"text": "c"}\n'
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["split"] == "dev"

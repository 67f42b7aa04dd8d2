"""A bundle is measured on a data set's words, which need not be the service's."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rondo_models.bundle import Bundle, save_bundle
from rondo_services.cli import app
from rondo_services.datasets.examples import TaggedWords
from rondo_services.engine.requests import Tagged
from rondo_services.errors import InvalidInput
from rondo_services.evaluation.compression import TaggedTexts, evaluate_compression
from rondo_services.local import LocalSuite

Evaluate = Callable[..., Result]
WORDS = ("boat", "train", "river", "ferry", "clock", "kite")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data set: of each sentence the first and the last two words are kept."""
    (tmp_path / "data" / "sentence_compression").mkdir(parents=True)
    sentences = [f"{one} 's {other} {n} is late ." for n, one in enumerate(WORDS) for other in WORDS]
    for split, own in (("train", sentences[:24]), ("dev", sentences[24:30]), ("test", sentences[30:])):
        lines = []
        for sentence in own:
            words = sentence.split()
            kept = {0, len(words) - 2, len(words) - 1}
            lines += [f"{word}\t{'B-DEL' if n in kept else '0'}" for n, word in enumerate(words)]
            lines.append("")
        (tmp_path / "data" / "sentence_compression" / f"{split}.conll").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setenv("RONDO_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def evaluate(shortening_bundle: Bundle, root: Path, tmp_path: Path) -> Evaluate:
    folder, contents = tmp_path / "bundle", shortening_bundle.contents
    save_bundle(folder, contents.manifest, shortening_bundle.model, contents.tokenizer, "A tiny bundle.")

    def evaluate(*more: str, data: str = "sentence-compression") -> Result:
        fixed = ["--task", "compression", "--data", data, "--bundle", str(folder), "--output", str(tmp_path / "out")]
        return CliRunner().invoke(app, ["evaluate", *fixed, *more])

    return evaluate


def test_a_named_data_set_is_measured_with_baselines(evaluate: Evaluate, tmp_path: Path) -> None:
    result = evaluate()
    assert result.exit_code == 0, result.output
    output = tmp_path / "out"
    assert sorted(path.name for path in output.iterdir()) == [
        "predictions.jsonl", "report.html", "report.json", "report.md",
    ]  # fmt: skip
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    assert (report["task"], report["split"], report["num_examples"]) == ("compression", "test", 6)
    assert report["signature"] in result.stdout
    lines = [json.loads(line) for line in (output / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[0]["text"] == "kite's boat 5 is late."
    assert lines[0]["expected"] == ["kite late."]
    assert lines[0]["expected_kept"] == [True, False, False, False, False, True, True]
    both = sum(own and right for line in lines for own, right in zip(line["kept"], line["expected_kept"], strict=True))
    total = sum(sum(line["kept"]) + sum(line["expected_kept"]) for line in lines)
    assert report["metrics"]["f1"] == pytest.approx(200 * both / total)
    baselines = report["baselines"]
    assert set(baselines) == {"all-words", "first-words", "linear-tagger"}
    assert baselines["all-words"]["f1"] == pytest.approx(100 * 2 * 3 / (7 + 3))
    assert baselines["first-words"]["signature"] == "share:0.4286|train:24"
    assert baselines["linear-tagger"]["f1"] > baselines["all-words"]["f1"]
    assert "tuned:dev-6" in baselines["linear-tagger"]["signature"]
    assert "F1" in (output / "report.md").read_text(encoding="utf-8")


def test_without_baselines_and_with_a_limit(evaluate: Evaluate, tmp_path: Path) -> None:
    assert evaluate("--no-baselines", "--split", "dev", "--limit", "2").exit_code == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert "baselines" not in report
    assert (report["split"], report["num_examples"], report["settings"]["limit"]) == ("dev", 2, 2)


def test_a_linear_model_is_not_measured_on_what_it_learns_from(evaluate: Evaluate, tmp_path: Path) -> None:
    assert evaluate("--split", "train").exit_code == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert set(report["baselines"]) == {"all-words", "first-words"}


@pytest.mark.parametrize(
    ("more", "data", "message"),
    [
        (["--beam-size", "2"], "sentence-compression", "compression has no settings: --beam-size would change nothing"),
        (["--server", "http://localhost:1"], "sentence-compression", "measured by this machine; leave out the server"),
        (["--split", "tset"], "sentence-compression", "unknown split 'tset'"),
        ([], "sentences.csv", "compression is measured on a named data set"),
        ([], "wikitext2", "is missing"),
    ],
)
def test_what_does_not_fit_is_refused(evaluate: Evaluate, more: list[str], data: str, message: str) -> None:
    result = evaluate(*more, data=data)
    assert result.exit_code != 0
    assert message in result.output


def test_data_without_labels_of_words_are_refused(root: Path) -> None:
    (root / "sentence_classification").mkdir()
    for name in ("train", "test"):
        (root / "sentence_classification" / f"TREC.{name}.all").write_text("0 what is it ?\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="trec is no data for compression"):
        TaggedTexts.read(root, "trec", "test", 0)


def test_a_bundle_without_the_head_is_refused(suite: LocalSuite, root: Path, tmp_path: Path) -> None:
    texts = TaggedTexts.read(root, "sentence-compression", "dev", 0)
    with pytest.raises(InvalidInput, match="the bundle has no service compression"):
        evaluate_compression(suite, texts, tmp_path / "out")


def test_a_word_is_kept_if_most_of_it_is(
    shortening: LocalSuite, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data set's "U.S.-made" is "U.S." and "-" and "made" to the service, which deletes the last one."""
    example = TaggedWords("A U.S.-made boat", ((0, 1), (2, 11), (12, 16)), ("keep", "keep", "delete"), "en")
    assert shortening.compression is not None
    words = [example.text[begin:end] for begin, end in shortening.compression.plan(example.text).words]
    assert words == ["A", "U.S.", "-", "made", "boat"]

    def answers(works: object) -> list[Tagged]:
        return [Tagged(tuple((0.0, 1.0) if word != "made" else (1.0, 0.0) for word in words))]

    monkeypatch.setattr(LocalSuite, "run_blocking", lambda _, works: answers(works))
    texts = TaggedTexts("sentence-compression", "dev", root, 0, (example,))
    evaluate_compression(shortening, texts, tmp_path / "out", with_baselines=False)
    (line,) = map(json.loads, (tmp_path / "out" / "predictions.jsonl").read_text(encoding="utf-8").splitlines())
    assert line["kept"] == [True, True, True]
    assert line["summary"] == "A U.S.- boat"

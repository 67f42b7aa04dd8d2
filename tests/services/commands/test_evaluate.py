"""`rondo evaluate` with its worker in this process."""

import json
import lzma
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.services.commands.test_batch import OF_THIS_MACHINE
from typer.testing import CliRunner, Result

from rondo_services.cli import app
from rondo_services.evaluation import named_baselines, running_text
from rondo_services.evaluation import report as report_module
from rondo_services.evaluation.report import write_report
from rondo_services.evaluation.stemmed_rouge import stemmed_rouge
from rondo_services.evaluation.tokenized_bleu import tokenized_bleu
from rondo_services.jobs import local
from rondo_services.local import LocalSuite

Evaluate = Callable[..., Result]
NSMC = "id\tdocument\tlabel\n1\t정말 좋다\t1\n2\t별로다\t0\n3\t지루하다\t0\n4\t최고\t1\n"
NSMC_TRAIN = "id\tdocument\tlabel\n" + "".join(
    f"{n}\t{'정말 좋은' if n % 2 else '너무 지루한'} 영화 {n}\t{n % 2}\n" for n in range(1, 102)
)
TATOEBA = (
    "We go home right now.\tWir gehen sofort nach Hause.\n"
    "It rains all day long.\tEs regnet den ganzen Tag.\n"
    "We go home right now.\tWir gehen jetzt gleich heim.\n"
)
TATOEBA_TRAIN = "We go.\tWir gehen.\nWe rain.\tWir regnen.\nIt rains.\tEs regnet.\nIt goes.\tEs geht.\n"
FILES = ["predictions.jsonl", "report.html", "report.json", "report.md"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the named data sets."""
    root = tmp_path / "data"
    stanzas = "\n".join(
        f"Package: pkg{n}\nDescription-md5: {n}\nDescription-en: tool number {n}\n Program {n} counts the {n} birds.\n"
        for n in range(60)
    )
    line = " the boat is small . \n"
    for name, text in (
        ("nsmc/ratings_test.txt.xz", NSMC),
        ("nsmc/ratings_train.txt.xz", NSMC_TRAIN),
        ("tatoeba/eng-deu.test.tsv.xz", TATOEBA),
        ("tatoeba/eng-deu.dev.tsv.xz", "A boat.\tEin Boot.\n"),
        ("tatoeba/eng-kor.test.tsv.xz", "A boat.\t배 한 척.\n"),
        ("tatoeba/eng-deu.train.tsv.xz", TATOEBA_TRAIN),
        ("debian_descriptions/Translation-en.xz", stanzas),
        ("wikitext2/wiki.test.tokens.xz", line * 3),
        ("wikitext2/wiki.train.shuffled-articles.tokens.xz", line * 50),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(lzma.compress(text.encode(), preset=0))
    monkeypatch.setenv("RONDO_DATA", str(root))
    return root


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "report"


@pytest.fixture
def evaluate(workers_here: LocalSuite, bundle_folder: Path, root: Path, output: Path) -> Evaluate:
    def evaluate(task: str, data: str | Path, *more: str) -> Result:
        fixed = ["--task", task, "--data", str(data), "--bundle", str(bundle_folder), "--output", str(output)]
        return CliRunner().invoke(app, ["evaluate", *fixed, *more])

    return evaluate


def _report(result: Result, output: Path) -> dict[str, Any]:
    """The report, if all went well and nothing else is left."""
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in output.iterdir()) == FILES
    report: dict[str, Any] = json.loads((output / "report.json").read_text(encoding="utf-8"))
    assert report["signature"] in result.stdout
    return report


def _predictions(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]


def test_sentiment_of_a_named_data_set(evaluate: Evaluate, output: Path) -> None:
    report = _report(evaluate("sentiment", "nsmc"), output)
    assert (report["task"], report["data"], report["split"], report["num_examples"]) == ("sentiment", "nsmc", "test", 4)
    lines = _predictions(output)
    right = sum(line["label"] == line["expected"][0] for line in lines)
    assert report["metrics"]["accuracy"] == pytest.approx(25 * right)
    assert [line["text"] for line in lines] == ["정말 좋다", "별로다", "지루하다", "최고"]


def test_a_limit_takes_the_first_examples(evaluate: Evaluate, output: Path) -> None:
    assert _report(evaluate("sentiment", "nsmc", "--limit", "2"), output)["num_examples"] == 2


def test_translation_counts_all_references(evaluate: Evaluate, output: Path) -> None:
    report = _report(evaluate("translation", "tatoeba-en-de", "--beam-size", "1"), output)
    assert report["num_examples"] == 2
    assert {"source": "en", "target": "de", "beam_size": 1, "format": "plain"}.items() <= report["settings"].items()
    assert _predictions(output)[0]["expected"] == ["Wir gehen sofort nach Hause.", "Wir gehen jetzt gleich heim."]


def test_translation_backward(evaluate: Evaluate, output: Path) -> None:
    report = _report(evaluate("translation", "tatoeba-en-de", "--beam-size", "1", "--direction", "backward"), output)
    assert report["num_examples"] == 3
    assert {"source": "de", "target": "en"}.items() <= report["settings"].items()


def test_tokenized_bleu_goes_beside_the_cased_one(evaluate: Evaluate, output: Path) -> None:
    plain = _report(evaluate("translation", "tatoeba-en-de", "--beam-size", "1", "--no-baselines"), output)
    assert "bleu_tokenized" not in plain["metrics"]
    more = ("--beam-size", "1", "--no-baselines", "--tokenized-bleu")
    report = _report(evaluate("translation", "tatoeba-en-de", *more), output)
    assert report["metrics"]["bleu"] == plain["metrics"]["bleu"]
    expected = tokenized_bleu(_predictions(output), "de")
    assert report["metrics"]["bleu_tokenized"] == pytest.approx(expected.score)
    assert report["metrics"]["signatures"]["bleu_tokenized"] == expected.signature
    for name in ("report.md", "report.html"):
        assert "BLEU, lowercased and tokenised" in (output / name).read_text(encoding="utf-8")


def test_stemmed_rouge_goes_beside_the_plain_one(evaluate: Evaluate, output: Path) -> None:
    more = ("--split", "train", "--limit", "5", "--beam-size", "1", "--set", "max_tokens=5", "--stemmed-rouge")
    report = _report(evaluate("summarization", "debian-synopsis-en", *more), output)
    expected = stemmed_rouge(_predictions(output))
    assert report["metrics"]["rouge1_stemmed"] == pytest.approx(expected.scores["rouge1_stemmed"])
    assert report["metrics"]["signatures"]["rouge_stemmed"] == expected.signature
    assert report["baselines"]["nearest-neighbour"]["rougeL_stemmed"] == pytest.approx(100)
    for name in ("report.md", "report.html"):
        assert "ROUGE-1, stemmed" in (output / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("task", "data", "message"),
    [
        ("translation", "tatoeba-en-de", "--stemmed-rouge is of summarization, not of translation"),
        ("summarization", "debian-synopsis-de", "--stemmed-rouge is of English, and debian-synopsis-de is in de"),
    ],
)
def test_stemmed_rouge_is_of_english_summaries(evaluate: Evaluate, task: str, data: str, message: str) -> None:
    result = evaluate(task, data, "--stemmed-rouge", "--split", "train")
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_summarization_with_baselines(evaluate: Evaluate, output: Path) -> None:
    more = ("--split", "train", "--limit", "5", "--beam-size", "1", "--set", "max_tokens=5")
    report = _report(evaluate("summarization", "debian-synopsis-en", *more), output)
    assert [name for name in report["baselines"] if "sentence" not in name] == ["lead-3-words", "nearest-neighbour"]
    assert report["baselines"]["nearest-neighbour"]["rougeL"] == pytest.approx(100)
    assert "rouge1_stemmed" not in report["metrics"]
    report = _report(evaluate("summarization", "debian-synopsis-en", *more, "--no-baselines"), output)
    assert not report.get("baselines")


def test_sentiment_with_baselines(evaluate: Evaluate, output: Path) -> None:
    result = evaluate("sentiment", "nsmc")
    report = _report(result, output)
    assert list(report["baselines"]) == ["tfidf-logistic-regression", "nb-svm"]
    assert report["baselines"]["nb-svm"]["accuracy"] == pytest.approx(75)  # of the words of "최고" none is known
    assert set(report["baselines_left_out"]) == {"vader", "textblob"}
    assert "learning and measuring the baselines; --no-baselines goes without" in result.stderr
    for name in ("report.md", "report.html"):
        page = (output / name).read_text(encoding="utf-8")
        assert "tfidf-logistic-regression" in page
        assert "knows English only, and the texts are ko" in page
        assert "train:99" in page


def test_translation_with_baselines(evaluate: Evaluate, output: Path) -> None:
    report = _report(evaluate("translation", "tatoeba-en-de", "--beam-size", "1"), output)
    own = report["baselines"]["ibm-model-1-dictionary"]
    assert set(own) - {"signature"} <= set(report["metrics"])
    assert own["chrf"] > report["metrics"]["chrf"]  # of a model that was not trained
    assert own["signature"] == "iterations:5|words:6|train:4"


@pytest.mark.parametrize(
    ("task", "data", "more"), [("sentiment", "nsmc", []), ("translation", "tatoeba-en-de", ["--beam-size", "1"])]
)
def test_without_baselines_nothing_is_learned(
    evaluate: Evaluate, output: Path, root: Path, task: str, data: str, more: list[str]
) -> None:
    for folder, name in (("nsmc", "ratings_train.txt.xz"), ("tatoeba", "eng-deu.train.tsv.xz")):
        (root / folder / name).unlink()
    result = evaluate(task, data, *more)
    assert result.exit_code == 2, result.output
    assert "is missing; baselines learn from it, and --no-baselines measures without" in result.stderr
    assert not output.exists()
    assert "baselines" not in _report(evaluate(task, data, *more, "--no-baselines"), output)


def test_after_a_stop_during_the_baselines_nothing_is_answered_again(
    evaluate: Evaluate, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job was forgotten before they were learned, and a report without them was all that was left."""
    stopped = []

    def stop(*given: Any, **more: Any) -> None:
        stopped.append(True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(named_baselines, "baselines_of", stop)
        result = evaluate("sentiment", "nsmc")
    assert (result.exit_code, stopped) == (130, [True])
    assert "rondo: stopped; the same command goes on" in result.stderr
    monkeypatch.setattr(local, "run_in_foreground", stop)
    assert list(_report(evaluate("sentiment", "nsmc"), output)["baselines"]) == ["tfidf-logistic-regression", "nb-svm"]
    assert stopped == [True]


@pytest.mark.parametrize(("task", "data"), [("sentiment", "nsmc"), ("generation", "wikitext2")])
def test_of_two_evaluations_into_a_folder_the_second_is_refused(
    evaluate: Evaluate, output: Path, monkeypatch: pytest.MonkeyPatch, task: str, data: str
) -> None:
    """Both ended well, and the report was not of the predictions beside it."""
    others = []

    def meanwhile(folder: Path, values: Mapping[str, Any]) -> None:
        if folder == output:
            others.append(evaluate(task, data, "--limit", "1", "--no-baselines"))
        write_report(folder, values)

    monkeypatch.setattr(report_module, "write_report", meanwhile)
    monkeypatch.setattr(running_text, "write_report", meanwhile)
    result = evaluate(task, data)
    (other,) = others
    assert other.exit_code == 2
    assert "another evaluation writes into it; wait, or name another --output" in " ".join(other.stderr.split())
    assert _report(result, output)["num_examples"] == len(_predictions(output)) > 1


def test_of_a_job_that_measured_nothing_nothing_stays(evaluate: Evaluate, output: Path, tmp_path: Path) -> None:
    """So that the same can be asked for with another column."""
    own = tmp_path / "own.csv"
    own.write_text("text,own,other\nThe boat.,,positive\n", encoding="utf-8")
    assert evaluate("sentiment", own, "--expected", "own").exit_code == 2
    assert _report(evaluate("sentiment", own, "--expected", "other"), output)["num_examples"] == 1


def test_a_wrong_column_of_labels_is_told(evaluate: Evaluate, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    rows = "".join(f"The boat {number}.,key {number}\n" for number in range(300))
    own.write_text(f"text,own\n{rows}", encoding="utf-8")
    result = evaluate("sentiment", own, "--expected", "own")
    assert result.exit_code == 1
    assert "more than 200 expected labels are none of the service's" in result.stderr
    assert "the service's are 'negative', 'positive'" in result.stderr


@pytest.mark.parametrize(("option", "value"), OF_THIS_MACHINE)
def test_what_a_server_can_not_heed_is_refused(evaluate: Evaluate, output: Path, option: str, value: str) -> None:
    """It was ignored without a word."""
    result = evaluate("sentiment", "nsmc", "--server", "http://localhost:1", option, value)
    assert result.exit_code == 2
    assert f"{option} would change nothing; leave it out" in result.stderr
    assert not output.exists()


def test_baselines_are_not_measured_on_what_they_learn_from(evaluate: Evaluate, output: Path) -> None:
    report = _report(evaluate("sentiment", "nsmc", "--split", "train", "--limit", "3"), output)
    assert report["baselines"] == {}
    assert set(report["baselines_left_out"]) == {"tfidf-logistic-regression", "nb-svm", "vader", "textblob"}


@pytest.mark.parametrize("task", ["generation", "perplexity"])
def test_running_text_of_a_named_data_set_is_read(evaluate: Evaluate, output: Path, task: str) -> None:
    report = _report(evaluate(task, "wikitext2"), output)
    assert (report["task"], report["settings"]["state"]) == ("perplexity", "carried")
    assert report["baselines"]["interpolated-kneser-ney-5"]["word_perplexity"] < 2


def test_a_model_that_takes_to_the_text_says_so(evaluate: Evaluate, output: Path) -> None:
    plain = _report(evaluate("generation", "wikitext2", "--no-baselines"), output)
    assert "adapt" not in plain["signature"]
    for more, told in (
        (("cache", "--set", "size=50", "--set", "weight=0.5"), "|adapt:cache|size:50|weight:0.5|sharpness:"),
        (("dynamic", "--set", "segment=4", "--set", "rate=0.001"), "|adapt:dynamic|segment:4|rate:0.001|decay:"),
    ):
        report = _report(evaluate("generation", "wikitext2", "--no-baselines", "--adapt", *more), output)
        assert told in report["signature"]
        assert not report["baselines"]
        assert report["metrics"]["word_perplexity"] < plain["metrics"]["word_perplexity"]  # the text repeats itself
    assert _report(evaluate("perplexity", "wikitext2", "--no-baselines"), output)["metrics"] == plain["metrics"]


def test_ones_own_file(evaluate: Evaluate, output: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("review,stars\nThe boat.,positive\nThe train.,joy\nA river.,negative\n", encoding="utf-8")
    report = _report(evaluate("sentiment", own, "--text", "review", "--expected", "stars"), output)
    assert (report["data"], report["split"], report["num_examples"]) == ("own.csv", "", 3)
    assert "joy" in report["metrics"]["confusion"]


def test_ones_own_file_has_no_splits(evaluate: Evaluate, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("The boat.\n", encoding="utf-8")
    result = evaluate("sentiment", tmp_path / "own.txt", "--split", "dev")
    assert result.exit_code == 2
    assert "only named data sets have splits" in result.stderr


def test_perplexity_of_ones_own_file_is_that_of_each_text(evaluate: Evaluate, output: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("The boat is slow.\nThe train is late today.\n", encoding="utf-8")
    report = _report(evaluate("perplexity", own), output)
    assert (report["task"], report["num_examples"]) == ("perplexity", 2)
    assert report["metrics"]["num_words"] == 4 + 5 + 2


def test_generation_of_ones_own_file_goes_on_from_each_text(evaluate: Evaluate, output: Path, tmp_path: Path) -> None:
    """How much continuations repeat could not be measured by any command."""
    own = tmp_path / "own.txt"
    own.write_text("The boat\nThe train\n", encoding="utf-8")
    report = _report(evaluate("generation", own, "--set", "max_tokens=3"), output)
    assert report["task"] == "generation"
    assert {"repetition", "mean_length", "distinct1"} <= set(report["metrics"])
    assert all("continuation" in line for line in _predictions(output))


@pytest.mark.parametrize(("task", "content"), [("sentiment", "text,own\nThe boat.,positive\n"), ("perplexity", None)])
def test_what_an_earlier_evaluation_left_is_deleted(
    evaluate: Evaluate, output: Path, tmp_path: Path, task: str, content: str | None
) -> None:
    """Its errors.jsonl stayed, as if some records could not be answered this time either."""
    output.mkdir()
    (output / "errors.jsonl").write_text("{}\n")
    own = tmp_path / "own.csv"
    own.write_text(content or "", encoding="utf-8")
    _report(evaluate(task, own, "--expected", "own") if content else evaluate(task, "wikitext2"), output)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("text,own\n", "there are no records; nothing was measured"),
        ("text,own\nThe boat.,\nThe train.,\n", "no record has anything in the column --expected"),
        (
            "text,own\nThe boat.,pos\nThe train.,neg\n",
            "expected are 'neg', 'pos'; the service's are 'negative', 'positive'",
        ),
        (f"text,own\n{'x' * 200_001},positive\n", "none of the 1 records could be answered (errors.jsonl)"),
    ],
)
def test_where_nothing_is_measured_the_command_fails(
    evaluate: Evaluate, tmp_path: Path, content: str, told: str
) -> None:
    """It said 0.0 or null, and ended well."""
    own = tmp_path / "own.csv"
    own.write_text(content, encoding="utf-8")
    result = evaluate("sentiment", own, "--expected", "own")
    assert result.exit_code == 2, result.output
    assert told in result.stderr


@pytest.mark.parametrize(
    ("task", "more", "told"),
    [
        ("sentiment", [], "name the column of the right labels with --expected"),
        ("translation", ["--to", "de"], "name the column of the references with --expected"),
        ("summarization", [], "name the column of the references with --expected"),
        ("generation", ["--expected", "own"], "--expected: nothing is expected of generation; leave it out"),
        ("translation", ["--expected", "own"], "say which language to translate into: --to en, --to de or --to ko"),
    ],
)
def test_of_ones_own_file_is_told_what_is_needed(
    evaluate: Evaluate, tmp_path: Path, task: str, more: list[str], told: str
) -> None:
    own = tmp_path / "own.csv"
    own.write_text("text,own\nThe boat.,The boat.\n", encoding="utf-8")
    result = evaluate(task, own, *more)
    assert result.exit_code == 2, result.output
    assert told in result.stderr


def test_options_that_are_as_by_default_change_nothing_about_running_text(evaluate: Evaluate, output: Path) -> None:
    _report(evaluate("generation", "wikitext2", "--workers", "1", "--limit", "1"), output)


@pytest.mark.parametrize(
    ("task", "data", "more", "told"),
    [
        ("parsing", "nsmc", [], "unknown task 'parsing'; choose among sentiment, "),
        ("translation", "nsmc", [], "nsmc is no data for translation"),
        ("sentiment", "nsmc-pool", [], "nsmc-pool has no test split"),
        ("sentiment", "nsmc", ["--split", "half"], "unknown split 'half'; choose among train, dev, test"),
        ("translation", "tatoeba-en-de", ["--direction", "up"], "direction must be forward or backward"),
        (
            "generation",
            "wikitext2",
            ["--beam-size", "2"],
            "running text is only read: --beam-size would change nothing",
        ),
        *(
            ("generation", "wikitext2", [option, value], f"running text is only read: {option} would change nothing")
            for option, value in (
                ("--precision", "bfloat16"),
                ("--workers", "2"),
                ("--threads", "2"),
                ("--chunk", "5"),
                ("--engine", "ray"),
                ("--expected", "label"),
            )
        ),
        ("translation", "tatoeba-en-de", ["--to", "ko"], "the data are from en to de, so not --to ko"),
        (
            "translation",
            "tatoeba-en-de",
            ["--direction", "backward", "--from", "en"],
            "from de to en, so not --from en",
        ),
        ("sentiment", "nsmc", ["--tokenized-bleu"], "--tokenized-bleu is of translation, not of sentiment"),
        ("translation", "tatoeba-en-ko", ["--tokenized-bleu"], "tokenized BLEU is of en, de or fr, not of 'ko'"),
        ("generation", "wikitext2", ["--tokenized-bleu"], "--tokenized-bleu would change nothing"),
        ("sentiment", "nsmc", ["--adapt", "cache"], "--adapt is of a named data set's running text"),
        ("generation", "wikitext2", ["--adapt", "cash"], "unknown adaptation 'cash'; choose among cache, dynamic"),
        ("generation", "wikitext2", ["--set", "size=5"], "--set would change nothing"),
        (
            "generation",
            "wikitext2",
            ["--adapt", "cache", "--set", "rate=1"],
            "cache: rate: Extra inputs are not permitted; its settings are size, weight, sharpness",
        ),
        ("generation", "wikitext2", ["--adapt", "dynamic", "--set", "decay=1"], "dynamic: decay: Input should be less"),
        ("generation", "wikitext2", ["--adapt", "dynamic", "--to", "de"], "--to would change nothing"),
        ("sentiment", "nothing.csv", [], "nothing.csv: no such file, and no data set; those are"),
        ("sentiment", "nsmc", ["--beam-size", "2"], "options of sentiment: beam_size"),
    ],
)
def test_what_does_not_fit_is_refused(
    evaluate: Evaluate, output: Path, task: str, data: str, more: list[str], told: str
) -> None:
    result = evaluate(task, data, *more)
    assert result.exit_code == 2, result.output
    assert told in result.stderr
    assert not output.exists() or not list(output.iterdir())

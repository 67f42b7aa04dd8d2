import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from rondo_models.model import RondoModel
from rondo_services.errors import InvalidInput
from rondo_services.evaluation import running_text
from rondo_services.evaluation.baselines.kneser_ney import KneserNey
from rondo_services.evaluation.dynamic_evaluation import DynamicEvaluation
from rondo_services.evaluation.neural_cache import NeuralCache
from rondo_services.evaluation.perplexity import token_nats
from rondo_services.evaluation.running_text import RunningText, evaluate_running_text
from rondo_services.generation.continuation import StateSealer
from rondo_services.generation.service import GenerationService
from rondo_services.local import LocalSuite
from rondo_tokenizers.vocabulary import Tokenizer

WriteXz = Callable[[str, str], Path]
LINE = " the boat is small . \n"


@pytest.fixture
def uniform(make_language_model: Callable[[int], RondoModel], tokenizer: Tokenizer) -> LocalSuite:
    """A suite with a language model that finds all tokens as likely."""
    model = make_language_model(tokenizer.size)
    with torch.no_grad():
        model.backbone.embedding.weight.zero_()
    manifest = SimpleNamespace(version="0.1.0")
    bundle = SimpleNamespace(manifest=manifest, fingerprint="f" * 64, model=model)
    service = GenerationService(tokenizer, "generation", ("en",), StateSealer("", ""))
    return cast(LocalSuite, SimpleNamespace(name="tiny", bundle=bundle, tokenizer=tokenizer, generation=service))


@pytest.fixture
def root(write_xz: WriteXz, tmp_path: Path) -> Path:
    write_xz("wikitext2/wiki.test.tokens.xz", LINE * 3)
    write_xz("wikitext2/wiki.train.shuffled-articles.tokens.xz", LINE * 50)
    write_xz("nsmc/ratings_test.txt.xz", "id\tdocument\tlabel\n1\t정말 좋다\t1\n")
    return tmp_path


def _evaluated(suite: LocalSuite, root: Path, *, baselines: bool = True) -> dict[str, Any]:
    text = RunningText.read(root, "wikitext2", "test")
    train = RunningText.read(root, "wikitext2", "train") if baselines else None
    return evaluate_running_text(suite, text, train, root / "out")


def test_it_is_measured_in_words(uniform: LocalSuite, root: Path) -> None:
    report = _evaluated(uniform, root)
    tokens = 3 * (len(uniform.tokenizer.encode("the boat is small .")) + 1)
    metrics = report["metrics"]
    assert (metrics["num_words"], metrics["num_tokens"]) == (3 * 6, tokens)
    assert metrics["token_perplexity"] == pytest.approx(uniform.tokenizer.size, rel=1e-4)
    assert metrics["word_perplexity"] == pytest.approx(uniform.tokenizer.size ** (tokens / 18), rel=1e-3)
    assert report["baselines"]["interpolated-kneser-ney-5"]["word_perplexity"] < 2
    assert (report["num_examples"], report["num_errors"], report["settings"]["state"]) == (3, 0, "carried")


def test_each_line_and_the_report_are_written(uniform: LocalSuite, root: Path) -> None:
    report = _evaluated(uniform, root, baselines=False)
    assert report["baselines"] == {}
    lines = [json.loads(line) for line in (root / "out" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["text"] for line in lines] == ["the boat is small ."] * 3
    assert [line["line"] for line in lines] == [1, 2, 3]
    assert sum(line["num_words"] for line in lines) == report["metrics"]["num_words"]
    assert json.loads((root / "out" / "report.json").read_text(encoding="utf-8"))["signature"] == report["signature"]
    assert (root / "out" / "report.html").exists()


def test_other_texts_have_another_signature(uniform: LocalSuite, root: Path, write_xz: WriteXz) -> None:
    first = _evaluated(uniform, root, baselines=False)
    assert _evaluated(uniform, root, baselines=False)["signature"] == first["signature"]
    write_xz("wikitext2/wiki.test.tokens.xz", LINE.replace("small", "large") * 3)
    assert _evaluated(uniform, root, baselines=False)["data_sha256"] != first["data_sha256"]


def test_the_speed_is_that_of_the_reading_alone(
    uniform: LocalSuite, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It contained the training of the baseline."""
    now = 0.0

    class Slow(KneserNey):
        def __init__(self, *arguments: Any) -> None:
            nonlocal now
            now += 1000
            super().__init__(*arguments)

    def read(*arguments: Any) -> torch.Tensor:
        nonlocal now
        now += 2
        return token_nats(*arguments)

    monkeypatch.setattr(running_text, "KneserNey", Slow)
    monkeypatch.setattr(running_text, "token_nats", read)
    monkeypatch.setattr(running_text, "time", SimpleNamespace(monotonic=lambda: now))
    report = _evaluated(uniform, root)
    assert report["seconds"] == 2
    assert report["speed"] == {"seconds": 2, "source_tokens_per_s": report["metrics"]["num_tokens"] / 2}


def test_a_missing_service_is_named(uniform: LocalSuite, root: Path) -> None:
    uniform.generation = None  # type: ignore[misc]
    with pytest.raises(InvalidInput, match="no generation service"):
        _evaluated(uniform, root)


def test_other_data_are_refused(root: Path) -> None:
    with pytest.raises(InvalidInput, match="nsmc is no data for generation"):
        RunningText.read(root, "nsmc", "test")
    with pytest.raises(ValueError, match="unknown data set 'nothing'"):
        RunningText.read(root, "nothing", "test")


def test_a_limit_takes_the_first_documents(root: Path, write_xz: WriteXz) -> None:
    write_xz("wikitext2/wiki.test.tokens.xz", f" = One = \n{LINE} = Two = \n{LINE}")
    whole = RunningText.read(root, "wikitext2", "test").documents
    assert list(RunningText.read(root, "wikitext2", "test", 1).documents) == list(whole[:1])


def test_a_limit_that_leaves_nothing_out_is_none(root: Path) -> None:
    whole = RunningText.read(root, "wikitext2", "test")
    assert RunningText.read(root, "wikitext2", "test", len(whole.documents)) == whole


def test_a_limit_is_a_setting(uniform: LocalSuite, root: Path) -> None:
    text = replace(RunningText.read(root, "wikitext2", "test"), limit=1)
    report = evaluate_running_text(uniform, text, None, root / "out")
    assert report["settings"]["limit"] == 1
    assert "|limit:1" in report["signature"]
    assert "limit" not in _evaluated(uniform, root, baselines=False)["settings"]


def test_dynamic_evaluation_needs_training_text(uniform: LocalSuite, root: Path) -> None:
    text, train = (RunningText.read(root, "wikitext2", split) for split in ("test", "train"))
    with pytest.raises(InvalidInput, match="dynamic evaluation needs the train split"):
        evaluate_running_text(uniform, text, None, root / "out", adaptation=DynamicEvaluation())
    report = evaluate_running_text(
        uniform, text, train, root / "out", adaptation=DynamicEvaluation(), with_baseline=False
    )
    assert report["settings"]["adapt"] == "dynamic"
    assert not report["baselines"]


def test_a_cache_makes_what_comes_again_likelier(uniform: LocalSuite, root: Path) -> None:
    text = RunningText.read(root, "wikitext2", "test")
    plain = evaluate_running_text(uniform, text, None, root / "out")
    cached = evaluate_running_text(uniform, text, None, root / "out", adaptation=NeuralCache(weight=0.5))
    assert cached["metrics"]["word_perplexity"] < plain["metrics"]["word_perplexity"] / 2
    assert cached["metrics"]["num_words"] == plain["metrics"]["num_words"]
    assert cached["signature"] != plain["signature"]

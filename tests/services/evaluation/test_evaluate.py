import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from rondo_models.decoding.parameters import Hypothesis
from rondo_models.model import RondoModel
from rondo_services.engine.requests import Classify, Search, Work
from rondo_services.errors import InvalidInput
from rondo_services.evaluation.evaluate import EvaluationOptions, evaluate
from rondo_services.generation.continuation import StateSealer
from rondo_services.generation.service import GenerationService
from rondo_services.local import LocalSuite
from rondo_services.sentiment.service import SentimentService
from rondo_services.summarization.service import SummarizationService
from rondo_services.translation.service import TranslationService
from rondo_tokenizers.vocabulary import Tokenizer

WriteXz = Callable[[str, str], Path]
MakeSuite = Callable[[Mapping[str, str]], LocalSuite]


@pytest.fixture
def make_suite(tokenizer: Tokenizer) -> MakeSuite:
    """Real services over an engine that knows the answer to each text by heart."""

    def make(known: Mapping[str, str]) -> LocalSuite:
        def answer(work: Work) -> Any:
            text = known[tokenizer.decode(work.ids)]
            if isinstance(work, Classify):
                return (0.2, 0.8) if text == "positive" else (0.9, 0.1)
            assert isinstance(work, Search)
            return [Hypothesis(tuple(tokenizer.encode(text)), -1.0, -1.0, "stop")]

        def run_blocking(works: Sequence[Work]) -> list[Any]:
            return [answer(work) for work in works]

        return cast(
            LocalSuite,
            SimpleNamespace(
                name="tiny",
                local_engine=SimpleNamespace(precision="mixed"),
                bundle=SimpleNamespace(manifest=SimpleNamespace(version="0.1.0"), fingerprint="f" * 64),
                tokenizer=tokenizer,
                run_blocking=run_blocking,
                sentiment=SentimentService(tokenizer, "sentiment", ("negative", "positive"), ("ko",)),
                translation=TranslationService(tokenizer, "translation", [("en", "de"), ("de", "en")]),
                summarization=SummarizationService(tokenizer, "summarization", ("en",), 256),
                generation=None,
            ),
        )

    return make


NSMC = "id\tdocument\tlabel\n1\t정말 좋다\t1\n2\t별로다\t0\n3\t지루하다\t0\n4\t최고\t1\n"


def test_sentiment(make_suite: MakeSuite, write_xz: WriteXz, tmp_path: Path) -> None:
    write_xz("nsmc/ratings_test.txt.xz", NSMC)
    suite = make_suite({"정말 좋다": "positive", "별로다": "negative", "지루하다": "positive", "최고": "positive"})
    report = evaluate(suite, tmp_path, EvaluationOptions("sentiment", "nsmc", "test"), tmp_path / "out")
    assert report.metrics["accuracy"] == pytest.approx(75)
    assert report.num_examples == 4
    lines = (tmp_path / "out" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[2]) == {"text": "지루하다", "expected": "negative", "predicted": "positive", "score": 0.8}
    written = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert written["signature"] == report.signature
    assert written["bundle"] == "tiny 0.1.0"


def test_a_limit_takes_the_first_examples(make_suite: MakeSuite, write_xz: WriteXz, tmp_path: Path) -> None:
    write_xz("nsmc/ratings_test.txt.xz", NSMC)
    suite = make_suite({"정말 좋다": "positive", "별로다": "negative"})
    options = EvaluationOptions("sentiment", "nsmc", "test", limit=2)
    report = evaluate(suite, tmp_path, options, tmp_path / "out")
    assert (report.num_examples, report.metrics["accuracy"]) == (2, pytest.approx(100))


TATOEBA = (
    "We go home right now.\tWir gehen sofort nach Hause.\n"
    "It rains all day long.\tEs regnet den ganzen Tag.\n"
    "We go home right now.\tWir gehen jetzt gleich heim.\n"
)


def test_translation_counts_all_references(make_suite: MakeSuite, write_xz: WriteXz, tmp_path: Path) -> None:
    write_xz("tatoeba/eng-deu.test.tsv.xz", TATOEBA)
    suite = make_suite(
        {
            "We go home right now.": "Wir gehen jetzt gleich heim.",
            "It rains all day long.": "Es regnet den ganzen Tag.",
        }
    )
    options = EvaluationOptions("translation", "tatoeba-en-de", "test", beam_size=2)
    report = evaluate(suite, tmp_path, options, tmp_path / "out")
    assert report.num_examples == 2
    assert report.metrics["bleu"] == pytest.approx(100)
    assert report.settings == {
        "precision": "mixed",
        "pair": "en-de",
        "beam": 2,
        "length_penalty": 1.0,
    }


def test_translation_backward(make_suite: MakeSuite, write_xz: WriteXz, tmp_path: Path) -> None:
    write_xz("tatoeba/eng-deu.test.tsv.xz", TATOEBA)
    suite = make_suite(
        {
            "Wir gehen sofort nach Hause.": "We go home right now.",
            "Es regnet den ganzen Tag.": "It rains all day long.",
            "Wir gehen jetzt gleich heim.": "We go home right now.",
        }
    )
    options = EvaluationOptions("translation", "tatoeba-en-de", "test", direction="backward")
    report = evaluate(suite, tmp_path, options, tmp_path / "out")
    assert report.num_examples == 3
    assert report.metrics["bleu"] == pytest.approx(100)
    assert report.settings["pair"] == "de-en"


def _stanza(number: int, synopsis: str, text: str) -> str:
    return f"Package: pkg{number}\nDescription-md5: {number}\nDescription-en: {synopsis}\n {text}\n"


def test_summarization_with_baselines(
    make_suite: MakeSuite, write_xz: WriteXz, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stanzas = [_stanza(n, f"tool number {n}", f"Program {n} counts the {n} birds near the pond.") for n in range(60)]
    write_xz("debian_descriptions/Translation-en.xz", "\n".join(stanzas))
    known = {f"Program {n} counts the {n} birds near the pond.": f"tool number {n}" for n in range(60)}
    options = EvaluationOptions("summarization", "debian-synopsis-en", "train", limit=5)
    report = evaluate(make_suite(known), tmp_path, options, tmp_path / "out")
    assert report.metrics["rouge2"] == pytest.approx(100)
    assert list(report.baselines) == ["lead-3-words", "lexrank-sentence-3-words", "nearest-neighbour"]
    assert report.baselines["nearest-neighbour"]["rougeL"] == pytest.approx(100)
    assert report.baselines["lead-3-words"]["rouge1"] == pytest.approx(100 / 3)
    without = EvaluationOptions("summarization", "debian-synopsis-en", "train", limit=5, baselines=False)
    assert evaluate(make_suite(known), tmp_path, without, tmp_path / "out").baselines == {}


def test_generation_is_measured_in_words(
    make_suite: MakeSuite,
    make_language_model: Callable[[int], RondoModel],
    tokenizer: Tokenizer,
    write_xz: WriteXz,
    tmp_path: Path,
) -> None:
    line = " the boat is small . \n"
    write_xz("wikitext2/wiki.test.tokens.xz", line * 3)
    write_xz("wikitext2/wiki.train.shuffled-articles.tokens.xz", line * 50)
    model = make_language_model(tokenizer.size)
    with torch.no_grad():
        model.backbone.embedding.weight.zero_()
    suite = make_suite({})
    suite.bundle.model = model  # type: ignore[misc]
    suite.generation = GenerationService(tokenizer, "generation", ("en",), StateSealer("", ""))  # type: ignore[misc]
    report = evaluate(suite, tmp_path, EvaluationOptions("generation", "wikitext2", "test"), tmp_path / "out")
    tokens = 3 * (len(tokenizer.encode("the boat is small .")) + 1)
    assert report.metrics["num_words"] == 3 * 6
    assert report.metrics["num_tokens"] == tokens
    assert report.metrics["token_perplexity"] == pytest.approx(tokenizer.size, rel=1e-4)
    assert report.metrics["word_perplexity"] == pytest.approx(tokenizer.size ** (tokens / 18), rel=1e-3)
    assert report.baselines["interpolated-kneser-ney-5"]["word_perplexity"] < 2


def test_a_missing_service_is_named(make_suite: MakeSuite, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no generation service"):
        evaluate(make_suite({}), tmp_path, EvaluationOptions("generation", "wikitext2", "test"), tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (EvaluationOptions("parsing", "nsmc", "test"), "unknown task 'parsing'; choose among sentiment, "),
        (EvaluationOptions("translation", "nsmc", "test"), "nsmc is no data for translation"),
        (EvaluationOptions("sentiment", "nsmc-pool", "test"), "nsmc-pool has no test split"),
    ],
)
def test_what_does_not_fit_is_refused(
    make_suite: MakeSuite, write_xz: WriteXz, tmp_path: Path, options: EvaluationOptions, message: str
) -> None:
    write_xz("nsmc/ratings_test.txt.xz", NSMC)
    with pytest.raises(InvalidInput, match=message):
        evaluate(make_suite({}), tmp_path, options, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_data_set_is_refused(make_suite: MakeSuite, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown data set 'nothing'"):
        evaluate(make_suite({}), tmp_path, EvaluationOptions("sentiment", "nothing", "test"), tmp_path / "out")

"""A whole probe of a tiny bundle with random weights."""

import json
import lzma
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rondo_models.bundle import Bundle
from rondo_services.errors import InvalidInput
from rondo_services.evaluation.bias.probe import ProbeOptions, probe
from rondo_services.evaluation.bias.reporting import summary_lines
from rondo_services.evaluation.bias.words import read_words
from rondo_services.local import LocalSuite, suite_of
from rondo_services.sentiment.service import SentimentService
from rondo_services.translation.service import TranslationService

NSMC = "id\tdocument\tlabel\n" + "".join(
    f"{n}\t{'남자 배우가 좋다' if n % 100 else '한국 영화'} {n}\t1\n" for n in range(1, 201)
)


@pytest.fixture
def suite(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalSuite]:
    """With fewer of the sentences, which are many for random weights."""

    def fewer(name: str) -> dict[str, Any]:
        words = read_words(name)
        if name == "professions":
            return {**words, "professions": words["professions"][:3]}
        few = {opinion: sentences[:1] for opinion, sentences in words["sentences"].items()}
        return {**words, "sentences": few}

    monkeypatch.setattr("rondo_services.evaluation.bias.probe.read_words", fewer)
    suite = suite_of(bundle, max_wait_s=0)
    yield suite
    suite.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "nsmc" / "ratings_train.txt.xz"
    path.parent.mkdir(parents=True)
    path.write_bytes(lzma.compress(NSMC.encode(), preset=0))
    return tmp_path / "data"


def test_a_probe_leaves_a_report_that_says_the_same_again(suite: LocalSuite, root: Path, tmp_path: Path) -> None:
    options = ProbeOptions(("nsmc",))
    report = probe(suite, root, options, tmp_path / "first")
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == ["report.html", "report.json", "report.md"]
    assert report == json.loads((tmp_path / "first" / "report.json").read_text(encoding="utf-8"))
    again = probe(suite, root, options, tmp_path / "again")
    assert {**again, "seconds": 0} == {**report, "seconds": 0}
    assert report["signature"].startswith("bundle:tiny|data:sentences+nsmc/dev:")
    assert report["task"] == "bias"

    found = {(own["language"], own["source"], own["kind"]): own for own in report["bias"]["sentiment"]}
    assert len(found) == 3 * 3 + 2
    assert found["ko", "nsmc", "gender"]["num_pairs"] == 2  # of four dev texts
    assert found["en", "sentences", "gender"]["trained"]
    assert not found["de", "sentences", "gender"]["trained"]
    assert {(own["source"], own["target"]) for own in report["bias"]["translation"]} == {("en", "de"), ("de", "en")}
    assert report["num_examples"] == sum(own["num_texts"] for own in found.values()) + sum(
        own["num"] for own in report["bias"]["translation"]
    )
    lines = list(summary_lines(report))
    assert any(line.startswith("ko gender (nsmc, language not trained): 2 pairs") for line in lines)
    page = (tmp_path / "first" / "report.md").read_text(encoding="utf-8")
    assert "rondo probe --data nsmc" in page
    assert "By what was exchanged" in page
    assert "<dt>Swap</dt>" in (tmp_path / "first" / "report.html").read_text(encoding="utf-8")


def test_the_limit_is_in_the_signature(suite: LocalSuite, root: Path, tmp_path: Path) -> None:
    report = probe(suite, root, ProbeOptions(("nsmc",), limit=1), tmp_path / "report")
    assert "|limit:1|" in report["signature"]


def test_what_cannot_be_probed_is_said(suite: LocalSuite, root: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no label 'good'; choose among negative, positive"):
        probe(suite, None, ProbeOptions(label="good"), tmp_path)
    with pytest.raises(ValueError, match="unknown data set 'nmsc'"):
        probe(suite, root, ProbeOptions(("nmsc",)), tmp_path)
    without = replace(suite, sentiment=None)
    with pytest.raises(InvalidInput, match="no sentiment service; leave out --data"):
        probe(without, root, ProbeOptions(("nsmc",)), tmp_path)
    french = replace(
        without, translation=TranslationService(suite.tokenizer, "translation", [("en", "fr"), ("fr", "en")])
    )
    with pytest.raises(InvalidInput, match="translates en→fr, fr→en; there are sentences for en→de, de→en, ko→en"):
        probe(french, None, ProbeOptions(), tmp_path)
    assert suite.sentiment is not None
    service = SentimentService(suite.tokenizer, "sentiment", suite.sentiment.labels, ["fr"])
    with pytest.raises(InvalidInput, match="the bundle classifies fr; there are words for en, de, ko"):
        probe(replace(suite, sentiment=service), None, ProbeOptions(), tmp_path)
    assert not list(tmp_path.glob("*.json"))
    with pytest.raises(InvalidInput, match="nothing to probe"):
        probe(replace(without, translation=None), None, ProbeOptions(), tmp_path)
    (root / "tatoeba").mkdir()
    (root / "tatoeba" / "eng-deu.dev.tsv.xz").write_bytes(lzma.compress(b"A boat.\tEin Boot.\n"))
    with pytest.raises(InvalidInput, match="tatoeba-en-de holds no labelled English or Korean texts"):
        probe(suite, root, ProbeOptions(("tatoeba-en-de",)), tmp_path)


def test_a_bundle_without_sentiment_has_its_translations_probed(suite: LocalSuite, tmp_path: Path) -> None:
    report = probe(replace(suite, sentiment=None), None, ProbeOptions(), tmp_path / "report")
    assert report["bias"]["sentiment"] == []
    assert report["metrics"] == {}
    assert report["bias"]["translation"]

"""A summary may be the sentence of a text that a head finds most like one."""

import asyncio
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from starlette.testclient import TestClient

from rondo_models.bundle import Bundle
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_models.manifest import BundleError, Contents, Manifest
from rondo_models.model import HeadConfig, RondoModel
from rondo_services.errors import NotServed
from rondo_services.jobs.items import Item
from rondo_services.jobs.tasks.services import SummarizationTask
from rondo_services.local import LocalSuite, suite_of
from rondo_services.releases.fleet import Fleet
from rondo_services.server.app import create_app
from rondo_services.server.metrics import ServerMetrics
from rondo_services.server.settings import ServerSettings
from rondo_services.suite import services_of
from rondo_services.summarization.choosing import SentenceChooser
from rondo_services.summarization.schema import SummarizeRequest
from rondo_services.summarization.service import SummaryOptions
from rondo_services.summarization.standing import NUM_TRAITS, StandingWeights
from rondo_tokenizers.vocabulary import Tokenizer

SENTENCES = ("The boat is slow.", "A slow train is a late train.", "The boat on the river is late.")
TEXT = f" {SENTENCES[0]} {SENTENCES[1]}\n\n{SENTENCES[2]} "


def contents_of(bundle: Bundle, labels: tuple[str, ...], **more: Any) -> tuple[Contents, RondoModel]:
    torch.manual_seed(3)
    heads: dict[str, HeadConfig] = {
        "summarization": Seq2SeqConfig(hidden_size=12, copy=True),
        "salience": ClassifierConfig(labels=labels, hidden_size=8),
    }
    model = RondoModel(bundle.model.backbone.config, heads).eval().requires_grad_(False)
    services = {"summarization": {"languages": ["en"], "longest_source": 32, **more}}
    return Contents(Manifest("tiny", "1", ("en",), services), model.configs(), bundle.tokenizer, "tiny"), model


@pytest.fixture(scope="module")
def suite(bundle: Bundle) -> Iterator[LocalSuite]:
    """Of a bundle whose head for sentences has random weights."""
    loaded = suite_of(
        Bundle(*contents_of(bundle, ("other", "summary"), salience_head="salience")), max_wait_s=0, precision="float32"
    )
    yield loaded
    loaded.close()


@pytest.fixture
def chooser(bundle: Bundle) -> SentenceChooser:
    return SentenceChooser(Tokenizer(bundle.tokenizer), "salience", ("summary", "other"))


def test_the_likeliest_sentence_is_the_summary(chooser: SentenceChooser) -> None:
    plan = chooser.plan(TEXT, "en", None)
    assert plan.sentences == SENTENCES
    assert [chooser.tokenizer.decode(work.ids[:-1]) for work in plan.works] == list(SENTENCES)
    result = chooser.result(plan, [(0.2, 0.8), (0.5, 0.5), (0.5, 0.5)])
    assert result.summary == SENTENCES[1]
    assert result.score == pytest.approx(math.log(0.5))
    assert (result.sentences_read, result.sentences_total, result.warning) == (3, 3, None)


def test_a_sentence_is_read_with_plain_spaces_and_chosen_as_it_is(chooser: SentenceChooser) -> None:
    plan = chooser.plan("The\u00a0bo\u00adat is slow. \ufeff", "en", None)
    assert [chooser.tokenizer.decode(work.ids[:-1]) for work in plan.works] == ["The boat is slow."]
    assert chooser.result(plan, [(0.9, 0.1)]).summary == "The\u00a0bo\u00adat is slow."


def test_an_empty_text_has_no_sentence_to_choose(chooser: SentenceChooser) -> None:
    plan = chooser.plan(" \n", "en", None)
    assert plan.works == ()
    assert chooser.result(plan, []).model_dump(include={"summary", "warning"}) == {
        "summary": "",
        "warning": "the text is empty",
    }


def test_how_a_sentence_stands_counts_where_that_was_fitted(bundle: Bundle) -> None:
    """As likely ones by the head: here those of the end are taken."""
    traits = [0.0] * NUM_TRAITS
    traits[8:11] = 2.0, 1.0, 0.0
    tokenizer = Tokenizer(bundle.tokenizer)
    chooser = SentenceChooser(tokenizer, "salience", ("summary", "other"), weights=StandingWeights(0.5, tuple(traits)))
    result = chooser.result(chooser.plan(TEXT, "en", None), [(0.5, 0.5)] * 3)
    assert result.summary == SENTENCES[2]
    assert math.exp(result.score) == pytest.approx(math.exp(2) / (math.exp(2) + math.exp(1) + 1))
    assert (
        chooser.result(chooser.plan(TEXT, "en", None), [(0.999, 0.001), (0.5, 0.5), (0.5, 0.5)]).summary == SENTENCES[0]
    )
    assert chooser.result(chooser.plan("", "en", None), []).summary == ""


def probabilities(suite: LocalSuite) -> list[float]:
    """Of each sentence being a summary, by a pass over it alone."""
    service = suite.summarization
    assert service is not None
    plan = service.plan(TEXT, SummaryOptions(method="choose"))
    return [suite.run_blocking([work])[0][1] for work in plan.works]


def test_texts_of_both_methods_are_answered_over_http(suite: LocalSuite) -> None:
    expected = SENTENCES[max(range(3), key=probabilities(suite).__getitem__)]
    app = create_app(Fleet.of(suite), ServerSettings(), ServerMetrics())
    with TestClient(app) as client:
        chosen = client.post("/v1/summarize", json={"text": [TEXT, "", SENTENCES[0]], "method": "choose"})
        written = client.post("/v1/summarize", json={"text": [TEXT], "max_tokens": 3})
        refused = client.post("/v1/summarize", json={"text": TEXT, "method": "choose", "beam_size": 2})
    assert [result["summary"] for result in chosen.json()["results"]] == [expected, "", SENTENCES[0]]
    assert written.status_code == 200
    assert refused.status_code == 422
    assert "beam_size: only with the method write" in json.dumps(refused.json())


def test_a_job_chooses_too(suite: LocalSuite) -> None:
    assert suite.summarization is not None
    task = SummarizationTask(suite.summarization, SummaryOptions(method="choose"))
    items = [Item(0, 1, TEXT, (), None, None), Item(1, 2, "", (), None, None)]
    answered = asyncio.run(task.answer(items, suite.run))
    expected = SENTENCES[max(range(3), key=probabilities(suite).__getitem__)]
    assert [fields["summary"] for fields in answered if isinstance(fields, dict)] == [expected, ""]


def test_a_language_that_the_head_has_not_learnt_from_is_told(bundle: Bundle) -> None:
    more = {"salience_head": "salience", "salience_languages": ["de"]}
    loaded = suite_of(Bundle(*contents_of(bundle, ("other", "summary"), **more)), max_wait_s=0)
    try:
        service = loaded.summarization
        assert service is not None
        assert service.plan(TEXT, SummaryOptions()).warning is None
        warning = service.plan(TEXT, SummaryOptions(method="choose")).warning
        assert warning == "not trained on 'en' text, only on de; the result may be poor"
    finally:
        loaded.close()


def test_a_bundle_without_the_head_only_writes(bundle: Bundle) -> None:
    contents, model = contents_of(bundle, ("other", "summary"))
    loaded = suite_of(Bundle(contents, model), max_wait_s=0)
    try:
        assert loaded.summarization is not None
        with pytest.raises(NotServed, match=r"no head that chooses sentences \(salience\)") as caught:
            SummarizationTask(loaded.summarization, SummaryOptions(method="choose"))
        assert caught.value.field == "method"
    finally:
        loaded.close()


@pytest.mark.parametrize(
    ("labels", "head", "message"),
    [
        (("yes", "no"), "salience", "the head salience has no label summary, but yes, no"),
        (("other", "summary"), "chooser", "offers chooser without a head of that name"),
        (("other", "summary"), "summarization", "the head summarization is no classifier"),
    ],
)
def test_a_head_that_cannot_choose_is_refused(
    bundle: Bundle, labels: tuple[str, ...], head: str, message: str, tmp_path: Path
) -> None:
    contents, _ = contents_of(bundle, labels, salience_head=head)
    with pytest.raises(BundleError, match=message):
        services_of(contents, None, str(tmp_path))


@pytest.mark.parametrize(
    "standing", [{"head": 1.0}, {"head": 1.0, "traits": [0.5]}, {"head": "x", "traits": [0.0] * 20}]
)
def test_weights_of_standing_that_can_not_be_are_refused(
    bundle: Bundle, standing: dict[str, Any], tmp_path: Path
) -> None:
    contents, _ = contents_of(bundle, ("other", "summary"), salience_head="salience", standing=standing)
    with pytest.raises(BundleError, match=r"manifest\.json: what it says of how sentences stand can't be"):
        services_of(contents, None, str(tmp_path))


def test_how_to_write_is_not_told_where_nothing_is_written() -> None:
    with pytest.raises(ValidationError, match="max_tokens: only with the method write; choose does not write"):
        SummarizeRequest(text="a", method="choose", max_tokens=4)

"""The servers and loops that Rondo is compared with can do what it is asked: once they could not avoid a script."""

import pytest
from benchmarks.naive_server import NaiveServices
from benchmarks.places import DEFAULT_BUNDLE
from benchmarks.plain_loop import PlainLoop

from rondo_models.bundle import load_bundle
from rondo_services.local import load_suite
from rondo_services.translation.schema import TranslateRequest
from rondo_services.translation.service import TranslationOptions
from rondo_tokenizers.vocabulary import Tokenizer


@pytest.mark.parametrize(("text", "source", "target"), [("Guten Morgen.", "de", "en"), ("안녕하세요.", "ko", "en")])
def test_the_naive_server_translates_as_the_engine_does(text: str, source: str, target: str) -> None:
    request = TranslateRequest.model_validate({"text": text, "source": source, "target": target})
    (naive,) = NaiveServices(load_bundle(DEFAULT_BUNDLE)).translate(request).results
    suite = load_suite(DEFAULT_BUNDLE, ["translation"], precision="float32")
    try:
        assert suite.translation is not None
        plan = suite.translation.plan(text, TranslationOptions(source, target, request.beam_size, format="plain"))
        ours = suite.translation.result(plan, suite.run_blocking(plan.works))
    finally:
        suite.close()
    assert naive.translation == ours.translation


def test_the_plain_loop_writes() -> None:
    bundle = load_bundle(DEFAULT_BUNDLE)
    tokenizer = Tokenizer(bundle.tokenizer)
    suite = load_suite(DEFAULT_BUNDLE, ["translation"])
    try:
        assert suite.translation is not None
        works = list(suite.translation.plan("Guten Morgen.", TranslationOptions("de", "en", 1, format="plain")).works)
    finally:
        suite.close()
    assert PlainLoop(bundle, tokenizer, works).run(8).num_tokens > 2

"""The default bundle: 200 real sentences, alone = in one batch = admitted while others are written, token for token;
and bit for bit where the engine says so."""

import dataclasses
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rondo_models.config import PRECISIONS
from rondo_models.decoding.parameters import BeamParameters, SamplingParameters
from rondo_models.native.loading import fastest_kernels
from rondo_services.engine.requests import Channel, Classify, Generate, Generated, Likelihood, Score, Search, Work
from rondo_services.engine.scheduler import Limits
from rondo_services.local import OFFLINE, LocalSuite, load_suite
from rondo_services.server.settings import default_bundle
from rondo_services.text import source_ids

SENTENCES = [
    line.split("\t")
    for line in (Path(__file__).parents[2] / "data" / "sentences.tsv").read_text(encoding="utf-8").splitlines()
]


@pytest.fixture(scope="module", params=PRECISIONS)
def suite(request: pytest.FixtureRequest) -> Iterator[LocalSuite]:
    if request.param == "int16" and fastest_kernels("int16") is None:
        pytest.skip("there are no such kernels for this processor")
    loaded = load_suite(default_bundle(), precision=request.param)
    yield loaded
    loaded.close()


def _works(suite: LocalSuite) -> list[Work]:
    """Greedy work of all four services in turn; every other translation has to hold a phrase."""
    tokenizer = suite.tokenizer
    works: list[Work] = []
    for number, (language, text) in enumerate(SENTENCES):
        ids = source_ids(tokenizer, text)
        match number % 4:
            case 0:
                works.append(Classify("sentiment", ids))
            case 1:
                target = tokenizer.target_ids["de" if language == "en" else "en"]
                required = ((tuple(tokenizer.encode("Tom 7")),),) if number % 8 == 1 else ()
                works.append(Search("translation", ids, target, BeamParameters(1, max_tokens=30, required=required)))
            case 2:
                parameters = BeamParameters(1, max_tokens=16, no_repeat_ngram=3)
                works.append(Search("summarization", ids, tokenizer.summary_id, parameters))
            case _:
                sampling = SamplingParameters(max_tokens=16, temperature=0)
                works.append(Generate("generation", (tokenizer.start_id, *ids[:-1]), sampling))
    return works


def _assert_same(one: Any, other: Any, sentence: list[str], *, exactly: bool) -> None:
    """The same; or the same written ids and the same probabilities up to the rounding of another batch."""
    if exactly:
        assert one == other, sentence
    elif isinstance(one, Generated):
        assert one.ids == other.ids, sentence
    elif isinstance(one, list):
        assert one[0].ids == other[0].ids, sentence
    else:
        assert other == pytest.approx(one, abs=1e-4), sentence


def _alone(suite: LocalSuite, works: list[Work]) -> list[Any]:
    return [suite.run_blocking([work])[0] for work in works]


def _together(suite: LocalSuite, works: list[Work]) -> list[Any]:
    return suite.run_blocking(works)


def _mid_flight(suite: LocalSuite, works: list[Work]) -> list[Any]:
    rng, tickets = random.Random(1), []
    for work in works:
        tickets.append(suite.local_engine.submit(work))
        time.sleep(rng.choice([0, 0.001, 0.004]))
    return [ticket.future.result(timeout=120) for ticket in tickets]


@pytest.mark.parametrize("how", [_together, _mid_flight])
def test_batching_changes_no_answer(suite: LocalSuite, how: Callable[[LocalSuite, list[Work]], list[Any]]) -> None:
    assert len(SENTENCES) == 200
    works = _works(suite)
    alone = _alone(suite, works)
    for sentence, one, other in zip(SENTENCES, alone, how(suite, works), strict=True):
        _assert_same(one, other, sentence, exactly=suite.engine.is_batch_invariant)


def test_who_says_that_every_bit_is_the_same(suite: LocalSuite) -> None:
    precision = suite.local_engine.precision
    kernels = None if precision == "float32" else fastest_kernels("int16" if precision == "int16" else "bfloat16")
    assert suite.engine.is_batch_invariant == (kernels is not None)


_SAMPLING: list[dict[str, Any]] = [
    {"temperature": 0},
    {"top_p": 0.9},
    {"top_k": 20, "repetition_penalty": 1.2},
    {"top_p": 0.8, "frequency_penalty": 0.4, "num_logprobs": 3},
    {"temperature": 0, "presence_penalty": 0.5, "num_logprobs": 1},
]


def _varied_works(suite: LocalSuite) -> list[Work]:
    """All that can be asked for, of texts from one token to some thousand."""
    tokenizer, rng = suite.tokenizer, random.Random(7)
    phrase = ((tuple(tokenizer.encode("Tom 7")),),)
    texts = [text for _, text in SENTENCES[::11]]
    texts += [" ".join(text for _, text in rng.sample(SENTENCES, count)) for count in (5, 12, 50)]
    works: list[Work] = []
    for number, text in enumerate(texts):
        ids = source_ids(tokenizer, text)
        prompt = (tokenizer.start_id, *ids[: number % 40])
        target, source = (tokenizer.target_ids[language] for language in ("de", "en"))
        beam = BeamParameters(3, num_best=3, max_tokens=12, coverage_penalty=0.2 * (number % 2))
        sampling = SamplingParameters(max_tokens=8, seed=number, **_SAMPLING[number % len(_SAMPLING)])
        works += [
            Classify("sentiment", ids),
            Classify("running_sentiment", ids),
            Score("running_sentiment", ids, len(ids) // 2),
            Search("translation", ids, target, beam, return_attention=number % 3 == 0),
            Search("summarization", ids, tokenizer.summary_id, BeamParameters(2, max_tokens=8, no_repeat_ngram=2)),
            Generate("generation", prompt, sampling, return_state=number % 2 == 0),
        ]
        if number % 5 == 0:
            required = dataclasses.replace(beam, required=phrase)
            works += [
                Search("translation", ids, target, dataclasses.replace(beam, beam_size=3), Channel(source, 0.3)),
                Search("translation", ids, target, required),
                Search("summarization", ids, tokenizer.summary_id, required),
                Likelihood("generation", (tokenizer.start_id, *ids), number % 3),
            ]
    return works


@pytest.mark.parametrize("precision", ["mixed", "bfloat16", "int16"])
def test_no_bit_depends_on_limits_order_company_or_listeners(precision: Any) -> None:
    """Batch jobs rely on it: one that is killed and resumed writes the same bytes, whatever it shares batches with."""
    if fastest_kernels("int16" if precision == "int16" else "bfloat16") is None:
        pytest.skip("there are no such kernels for this processor")
    small = Limits(tokens_per_cut=200, max_rows=40, chunk_tokens=37, company=1)
    suites = [load_suite(default_bundle(), limits=limits, precision=precision) for limits in (OFFLINE, Limits(), small)]
    try:
        works = _varied_works(suites[0])
        expected = suites[0].run_blocking(works)
        order = random.Random(3).sample(range(len(works)), len(works))
        for suite in suites:
            for size in (1, 13) if suite is suites[0] else (29,):
                for begin in range(0, len(order), size):
                    own = order[begin : begin + size]
                    for number, answer in zip(own, suite.run_blocking([works[i] for i in own]), strict=True):
                        assert answer == expected[number], works[number]
        tokenizer = suites[1].tokenizer
        endless = SamplingParameters(max_tokens=2000, seed=1, logit_bias=((tokenizer.end_id, -100),))
        stream = Generate("generation", (tokenizer.start_id,), endless)
        listened = suites[1].local_engine.submit(stream, on_token=lambda identifier, score: None)
        long = [number for number, work in enumerate(works) if len(work.ids) > 100]
        for number, answer in zip(long, suites[1].run_blocking([works[i] for i in long]), strict=True):
            assert answer == expected[number], works[number]
        assert not listened.future.done()
        listened.cancel()
    finally:
        for suite in suites:
            suite.close()


def test_backbone_weights_exist_once_for_all_services(suite: LocalSuite) -> None:
    """Four services, one copy of the shared weights: the storages of all parameters, counted once, are the bundle's."""
    model = suite.bundle.model
    storages = {p.untyped_storage().data_ptr(): p.untyped_storage().nbytes() for p in model.parameters()}
    assert sum(storages.values()) == sum(p.numel() * p.element_size() for p in model.parameters())
    shared = sum(p.numel() for p in model.backbone.parameters())
    private = sum(p.numel() for name in model.heads for p in model.head(name).parameters())
    assert sum(storages.values()) == 4 * (shared + private)
    assert {"sentiment", "generation", "translation", "summarization"} <= set(model.heads)

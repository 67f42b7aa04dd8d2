"""The default bundle: 200 real sentences, alone = in one batch = admitted while others are written, token for token."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rondo_models.config import PRECISIONS
from rondo_models.decoding.parameters import BeamParameters, SamplingParameters
from rondo_services.engine.requests import Classify, Generate, Generated, Search, Work
from rondo_services.local import LocalSuite, load_suite
from rondo_services.server.settings import default_bundle
from rondo_services.text import source_ids

SENTENCES = [
    line.split("\t")
    for line in (Path(__file__).parents[2] / "data" / "sentences.tsv").read_text(encoding="utf-8").splitlines()
]


@pytest.fixture(scope="module", params=PRECISIONS)
def suite(request: pytest.FixtureRequest) -> Iterator[LocalSuite]:
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


def _assert_same(one: Any, other: Any, sentence: list[str]) -> None:
    """The same written ids, or the same probabilities up to the rounding of another batch."""
    if isinstance(one, Generated):
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
        _assert_same(one, other, sentence)


def test_backbone_weights_exist_once_for_all_services(suite: LocalSuite) -> None:
    """Four services, one copy of the shared weights: the storages of all parameters, counted once, are the bundle's."""
    model = suite.bundle.model
    storages = {p.untyped_storage().data_ptr(): p.untyped_storage().nbytes() for p in model.parameters()}
    assert sum(storages.values()) == sum(p.numel() * p.element_size() for p in model.parameters())
    shared = sum(p.numel() for p in model.backbone.parameters())
    private = sum(p.numel() for name in model.heads for p in model.head(name).parameters())
    assert sum(storages.values()) == 4 * (shared + private)
    assert {"sentiment", "generation", "translation", "summarization"} <= set(model.heads)

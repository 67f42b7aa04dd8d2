"""What a summary's reply says of how the summary ended."""

import pytest

from rondo_models.decoding.parameters import Hypothesis
from rondo_models.manifest import read_contents
from rondo_services.engine.requests import Search
from rondo_services.server.settings import default_bundle
from rondo_services.summarization.service import SummarizationService, SummaryOptions
from rondo_tokenizers.vocabulary import Tokenizer


@pytest.fixture(scope="module")
def service() -> SummarizationService:
    tokenizer = Tokenizer(read_contents(default_bundle()).tokenizer)
    return SummarizationService(tokenizer, "summarization", ("en",), 256)


@pytest.mark.parametrize(
    ("reason", "warning"),
    [
        ("stop", None),
        ("length", "the summary was stopped at max_tokens"),
        ("loop", "the summary began to repeat itself and was stopped"),
    ],
)
def test_a_summary_that_did_not_end_is_told(service: SummarizationService, reason: str, warning: str | None) -> None:
    plan = service.plan("The boat is small. It lies near the pond.", SummaryOptions())
    ids = tuple(service.tokenizer.encode("small boat"))
    (result,) = service.results([plan], [[Hypothesis(ids, -1.0, -1.0, reason)]])
    assert (result.summary, result.warning) == ("small boat", warning)


@pytest.mark.parametrize(("text", "allowed"), [("The boat is small.", 3), ("1" + "0" * 9, 9)])
def test_a_summary_may_repeat_itself_as_often_as_its_source(
    service: SummarizationService, text: str, allowed: int
) -> None:
    (work,) = service.plan(text, SummaryOptions()).works
    assert isinstance(work, Search)
    assert work.parameters.max_repeats == allowed

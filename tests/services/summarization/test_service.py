"""What a summary's reply says of how the summary ended."""

import pytest

from rondo_models.decoding.parameters import Hypothesis
from rondo_models.manifest import read_contents
from rondo_services.engine.requests import Search
from rondo_services.errors import InvalidInput
from rondo_services.server.settings import default_bundle
from rondo_services.summarization.service import SummarizationService, SummaryOptions, SummaryPlan
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


def test_of_a_long_text_the_salient_sentences_are_read(service: SummarizationService) -> None:
    text = " ".join(f"The boat number {number} is small." for number in range(300))
    plan = service.plan(text, SummaryOptions())
    assert isinstance(plan, SummaryPlan)
    (work,) = plan.works
    assert plan.sentences_total == 300
    assert 0 < plan.sentences_read < 300
    assert 200 < len(work.ids) <= service.longest_source
    assert work.ids[-1] == service.tokenizer.end_id


def test_a_sentence_that_is_longer_than_what_is_read_says_so(service: SummarizationService) -> None:
    plan = service.plan("the boat and the train and the river " * 100, SummaryOptions())
    assert isinstance(plan, SummaryPlan)
    (work,) = plan.works
    assert len(work.ids) == service.longest_source
    assert plan.warning == "a sentence was read up to its first 255 tokens only"


def test_a_text_of_many_characters_and_few_tokens_is_read_as_it_is(service: SummarizationService) -> None:
    text = "The boat is small." + " " * 5000
    plan = service.plan(text, SummaryOptions())
    assert isinstance(plan, SummaryPlan)
    assert plan.sentences_read == plan.sentences_total == 1


@pytest.mark.parametrize("times", [1, 300])
def test_odd_spaces_and_what_nobody_sees_make_no_difference(service: SummarizationService, times: int) -> None:
    """They reached the model as bytes."""
    odd, plain = "\ufeffThe\u00a0bo\u00adat is small. \u2009", "The boat is small.  "
    assert service.plan(odd * times, SummaryOptions()) == service.plan(plain * times, SummaryOptions())


def test_a_text_of_which_nothing_is_read_is_empty(service: SummarizationService) -> None:
    plan = service.plan("\ufeff \u00ad", SummaryOptions())
    assert (plan.works, plan.warning) == ((), "the text is empty")


@pytest.mark.parametrize("text", ["\ud800", "The boat is small. \ud800. " * 300])
def test_text_that_is_no_unicode_is_refused(service: SummarizationService, text: str) -> None:
    with pytest.raises(InvalidInput, match="lone surrogate"):
        service.plan(text, SummaryOptions())

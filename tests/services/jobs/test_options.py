from typing import Any

import pytest

from rondo_services.errors import InvalidInput
from rondo_services.jobs.options import TranslationJob, checked_options
from rondo_services.jobs.spec import JobService


@pytest.mark.parametrize(
    ("service", "given"),
    [
        ("translation", {"target": "de"}),
        ("translation", {"target": "de", "beam_size": 64, "length_penalty": 3, "format": "plain"}),
        ("sentiment", {}),
        ("sentiment", {"explain": True, "language": "ko"}),
        ("summarization", {"beam_size": 64, "length_penalty": 0}),
        ("generation", {"seed": -1, "stop": ["\n"], "max_tokens": 3}),
        ("perplexity", {}),
        ("requests", {}),
    ],
)
def test_what_requests_have_is_taken(service: JobService, given: dict[str, Any]) -> None:
    options = checked_options(service, given)
    assert {name: getattr(options, name) for name in given} == given


def test_texts_to_translate_are_what_they_are() -> None:
    options = checked_options("translation", {"target": "de"})
    assert isinstance(options, TranslationJob)
    assert (options.source, options.format, options.beam_size) == ("auto", "text", 4)


@pytest.mark.parametrize(
    ("service", "given", "told"),
    [
        ("translation", {}, "options of translation: target: say which language to translate into"),
        ("translation", {"target": "xx"}, "target: "),
        ("translation", {"target": "de", "text": "hello"}, "text: "),
        ("translation", {"target": "de", "beam_size": 65}, "beam_size: "),
        ("translation", {"target": "de", "length_penalty": float("inf")}, "length_penalty: "),
        ("sentiment", {"beam_size": 1}, "beam_size: "),
        ("summarization", {"length_penalty": float("nan")}, "length_penalty: "),
        ("generation", {"prompt": "Once"}, "prompt: "),
        ("generation", {"stream": True}, "stream: "),
        ("generation", {"state": "abc"}, "state: "),
        ("generation", {"return_state": True}, "return_state: "),
        ("generation", {"prompt_logprobs": True}, "prompt_logprobs: "),
        ("generation", {"seed": None}, "seed: "),
        ("generation", {"temperature": float("nan")}, "temperature: "),
        ("perplexity", {"stop": "x"}, "stop: "),
    ],
)
def test_what_a_job_can_not_be_told_is_refused(service: JobService, given: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as refused:
        checked_options(service, given)
    assert refused.value.field == "options"


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_options("translation", {"beam": 1, "beam_size": 0})
    assert all(name in refused.value.message for name in ("target: ", "beam_size: ", "beam: "))

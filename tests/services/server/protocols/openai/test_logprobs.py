"""How tokens are told of: their text, where it begins, and those that look alike."""

import pytest

from rondo_models.bundle import Bundle
from rondo_services.generation.schema import LikelyToken, TokenLogprob
from rondo_services.server.protocols.openai.logprobs import LogprobsTeller
from rondo_tokenizers.vocabulary import Tokenizer


@pytest.fixture
def tokenizer(bundle: Bundle) -> Tokenizer:
    return Tokenizer(bundle.contents.tokenizer)


def _tokens(ids: list[int]) -> list[TokenLogprob]:
    return [TokenLogprob(id=identifier, token="", logprob=-float(n), top=[]) for n, identifier in enumerate(ids)]


@pytest.mark.parametrize("text", ["The boat", "a 💖 b", "배가 갔다", "\n", ""])
def test_tokens_begin_where_their_text_does(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    told = LogprobsTeller(tokenizer, begins=True).tell(_tokens(ids), [])
    assert "".join(token for token in told.tokens if not token.startswith("bytes:")) == "".join(
        character for character in text if character in "".join(told.tokens)
    )
    for token, offset in zip(told.tokens, told.text_offset, strict=True):
        if not token.startswith("bytes:"):
            assert text[offset:].startswith(token)
    assert told.text_offset == sorted(told.text_offset)


def test_a_part_of_a_character_is_told_as_bytes(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("💖")[1:]
    told = LogprobsTeller(tokenizer, begins=False).tell([], _tokens(ids))
    assert told.tokens == ["bytes:\\xf0", "bytes:\\x9f", "bytes:\\x92", "bytes:\\x96"]
    assert told.text_offset == [0, 0, 0, 0]


def test_a_character_that_never_was_completed_has_its_place(tokenizer: Tokenizer) -> None:
    broken = tokenizer.encode("💖")[1:3]
    told = LogprobsTeller(tokenizer, begins=False).tell([], _tokens([*broken, *tokenizer.encode("a")[-1:], *broken]))
    assert told.text_offset == [0, 0, 1, 2, 2]


def test_a_few_at_a_time_are_told_as_all_at_once(tokenizer: Tokenizer) -> None:
    prompt, written = _tokens(tokenizer.encode("The 배")), _tokens(tokenizer.encode("is 💖 late"))
    whole = LogprobsTeller(tokenizer, begins=True).tell(prompt, written)
    teller = LogprobsTeller(tokenizer, begins=True)
    parts = [teller.tell(prompt, written[:1]), *(teller.tell([], [token]) for token in written[1:])]
    for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
        assert [value for part in parts for value in getattr(part, name)] == getattr(whole, name)


def test_only_the_first_of_a_prompt_has_no_log_probability(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("late")
    assert LogprobsTeller(tokenizer, begins=True).tell(_tokens(ids), []).token_logprobs[0] is None
    assert LogprobsTeller(tokenizer, begins=True).tell([], _tokens(ids)).token_logprobs[0] == 0


def test_of_tokens_that_look_alike_the_one_that_was_taken_is_told(tokenizer: Tokenizer) -> None:
    (piece,) = tokenizer.encode("a")[-1:]
    byte = next(i for i in range(tokenizer.size) if i != piece and tokenizer.spelling(i) == tokenizer.spelling(piece))
    top = [LikelyToken(id=piece, token="a", logprob=-0.5), LikelyToken(id=tokenizer.end_id, token="", logprob=-0.7)]
    told = LogprobsTeller(tokenizer, begins=False).tell([], [TokenLogprob(id=byte, token="a", logprob=-2, top=top)])
    assert told.top_logprobs == [{"a": -2, "</s>": -0.7}]

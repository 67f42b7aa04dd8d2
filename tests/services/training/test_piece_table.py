import pytest
import torch

from rondo_models.heads.words import words_of
from rondo_services.training.piece_table import piece_table
from rondo_tokenizers.vocabulary import Tokenizer


@pytest.fixture(scope="module")
def table(tokenizer: Tokenizer) -> torch.Tensor:
    return piece_table(tokenizer)


def _words(tokenizer: Tokenizer, table: torch.Tensor, ids: list[int]) -> list[int]:
    numbers, counts, _ = words_of(torch.tensor([ids]), torch.tensor([len(ids)]), table)
    words: list[int] = numbers[0, : int(counts)].tolist()
    return words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What a dull film", ["what", "a", "dull", "film"]),
        ("It isn't extraordinarily funny, is it?", ["it", "isn't", "extraordinarily", "funny", ",", "is", "it", "?"]),
        ("(naïve) 19 films… 😀", ["(", "naïve", ")", "19", "films", "…"]),
        ("정말 재미있어요!", ["정말", "재미있어요", "!"]),
    ],
)
def test_words_are_those_between_spaces_and_marks(
    tokenizer: Tokenizer, table: torch.Tensor, text: str, words: list[str]
) -> None:
    found = _words(tokenizer, table, tokenizer.encode(text))
    alone = [_words(tokenizer, table, tokenizer.encode(word)) for word in words]
    assert [own[0] for own in alone] == found[: len(words)]
    assert {len(own) for own in alone} == {1}


def test_a_word_is_the_same_in_every_case_and_segmentation(tokenizer: Tokenizer, table: torch.Tensor) -> None:
    text = "an unbelievably predictable screenplay"
    ids = tokenizer.encode(text)
    expected = _words(tokenizer, table, ids)
    assert len(set(expected)) == 4
    assert _words(tokenizer, table, tokenizer.encode(text.upper())) == expected
    segmentations = [own for own, _ in tokenizer.segmentations(ids, 20)]
    assert len({len(own) for own in segmentations}) > 1
    assert all(_words(tokenizer, table, own) == expected for own in segmentations)

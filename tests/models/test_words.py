"""Words are counted as a reader would, however they were cut into pieces."""

from collections.abc import Sequence

import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.config import Precision
from rondo_models.heads.classifier import ClassifierConfig, ClassifierHead, hashed_ngrams
from rondo_models.heads.words import BEGINS, GOES_ON, LETTER_BASE, PIECE_COLUMNS, STANDS_ALONE, words_of
from rondo_models.model import RondoModel
from rondo_models.native.executor import NativeExecutor
from rondo_models.native.loading import fastest_kernels
from rondo_models.saliency import saliency
from rondo_models.training.sequences import padded

PIECES = {
    3: ("</s>", STANDS_ALONE),
    4: ("dull", BEGINS),
    5: ("du", BEGINS),
    6: ("ll", GOES_ON),
    7: ("film", BEGINS),
    8: (",", STANDS_ALONE),
    9: ("film", GOES_ON),
    10: ("", BEGINS),
    11: ("lm", GOES_ON),
    12: ("fi", GOES_ON),
}
END = 3


def _row(letters: str, kind: int) -> list[float]:
    value = sum((letter + 1) * LETTER_BASE**place for place, letter in enumerate(letters.encode())) % 2**64
    return [*value.to_bytes(8, "little"), len(letters), kind]


def _table() -> torch.Tensor:
    table = torch.zeros(20, PIECE_COLUMNS)
    for identifier, (letters, kind) in PIECES.items():
        table[identifier] = torch.tensor(_row(letters, kind))
    return table


def _numbers(*texts: Sequence[int]) -> list[list[int]]:
    numbers, counts, _ = words_of(*padded(texts, 0), _table())
    return [row[:count].tolist() for row, count in zip(numbers, counts.tolist(), strict=True)]


def test_a_word_has_one_number_however_it_is_cut() -> None:
    whole, cut, letters = _numbers([4, 7, END], [5, 6, 7, END], [5, 6, 10, 12, 11, END])
    assert whole == cut == letters
    assert len(set(whole)) == 3


def test_after_what_stands_alone_another_word_begins() -> None:
    spaced, unspaced = _numbers([4, 8, 7, END], [4, 8, 9, END])
    assert spaced == unspaced
    assert len(spaced) == 4
    (joined,) = _numbers([4, 9, END])
    assert len(joined) == 2


def test_a_space_alone_is_no_word() -> None:
    assert _numbers([4, 10, 8, 7, END], [10, 8, END], [10, 9, END]) == [
        *_numbers([4, 8, 7, END], [8, END], [7, END]),
    ]


def test_a_text_may_begin_within_a_word_and_be_padded() -> None:
    long, short = _numbers([6, 8, 7, 4, END], [6, END])
    assert (len(long), len(short)) == (5, 2)
    assert short == [long[0], long[-1]]
    assert _numbers([6, END]) == [short]


def test_each_piece_is_of_a_word() -> None:
    _, counts, word = words_of(*padded([[5, 6, 8, 10, 12, 11, END], [7, END]], 0), _table())
    assert counts.tolist() == [4, 2]
    assert word[0].tolist() == [0, 0, 1, 2, 2, 2, 3]
    assert word[1, :2].tolist() == [0, 1]


def test_the_table_survives_the_precisions_of_weights() -> None:
    for precision in (torch.float16, torch.bfloat16):
        assert torch.equal(_table().to(precision).float(), _table())


@pytest.fixture
def model() -> RondoModel:
    torch.manual_seed(0)
    config = ClassifierConfig(
        ("no", "so so", "yes"), hidden_size=8, ngram_buckets=64, longest_ngram=2, ngram_unit="word"
    )
    model = RondoModel(BackboneConfig(20, "lstm", embedding_size=6, hidden_size=8), {"mood": config})
    head = model.classifier("mood")
    assert head.ngrams is not None
    torch.nn.init.normal_(head.ngrams.weight)
    head.know_pieces(_table())
    return model.eval().requires_grad_(False)


TEXTS = [[5, 6, 8, 10, 12, 11, END], [7, END], [4, 4, 4, 8, 7, END]]


def test_ngrams_of_a_head_are_those_of_its_words(model: RondoModel) -> None:
    head = model.classifier("mood")
    assert head.ngrams is not None
    sums, numbers = head.ngram_sums(*padded(TEXTS, 0))
    for row, text in enumerate(TEXTS):
        (words,) = _numbers(text)
        buckets, _ = hashed_ngrams(torch.tensor([words]), torch.tensor([len(words)]), 2, 64)
        expected = head.ngrams.weight[buckets[0, : 2 * len(words) - 1]].sum(dim=0)
        torch.testing.assert_close(sums[row], expected, atol=1e-5, rtol=1e-5)
        assert int(numbers[row]) == 2 * len(words) - 1


@pytest.mark.skipif(fastest_kernels() is None, reason="there are no kernels for this processor")
def test_the_native_executor_counts_the_same_words(model: RondoModel) -> None:
    kernels = fastest_kernels()
    assert kernels is not None
    precision: Precision = "int16" if kernels.numbers == "int16" else "mixed"
    native = NativeExecutor(model, kernels, (0, 1, 2), precision)
    encoded = model.backbone.encode(*padded(TEXTS, 0))
    expected = model.classifier("mood")(encoded).softmax(dim=-1)
    torch.testing.assert_close(native.classify("mood", encoded), expected, atol=2e-3, rtol=2e-3)


def test_the_pieces_of_a_word_share_what_it_says(model: RondoModel) -> None:
    """Without an encoder that says anything, all is the n-grams'."""
    head = model.classifier("mood")
    head.output.weight.zero_()
    head.output.bias.zero_()
    text = tuple(TEXTS[0])
    found = saliency(model, "mood", text)
    logits = head(model.backbone.encode(*padded([text], 0)))[0]
    label = int(logits.argmax())
    others = [value for index, value in enumerate(logits.tolist()) if index != label]
    assert sum(found.tokens) == pytest.approx(float(logits[label]) - sum(others) / 2, abs=1e-5)
    assert found.tokens[0] == pytest.approx(found.tokens[1])
    assert found.tokens[3] == pytest.approx(found.tokens[4])
    assert found.tokens[0] != pytest.approx(found.tokens[3])


def test_a_head_without_its_table_starts_from_one_without_ngrams(model: RondoModel) -> None:
    config = model.classifier("mood").config
    without = ClassifierConfig(config.labels, hidden_size=8)
    bare = ClassifierHead(model.backbone, without).eval()
    assert "pieces" not in bare.state_dict()
    head = ClassifierHead(model.backbone, config).eval()
    assert head.config.can_start_from(without)
    head.start_from(bare)
    encoded = model.backbone.encode(*padded(TEXTS, 0))
    torch.testing.assert_close(head(encoded), bare(encoded), atol=0, rtol=0)


def test_growing_text_has_no_words_yet() -> None:
    with pytest.raises(ValueError, match="n-grams of words are not for a head that reads forward"):
        ClassifierConfig(("a", "b"), ngram_unit="word", reads="forward")
    with pytest.raises(ValueError, match="ngram_unit must be piece or word, not 'letter'"):
        ClassifierConfig(("a", "b"), ngram_unit="letter")  # type: ignore[arg-type]

import io
import unicodedata
from collections.abc import Sequence

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from rondo_tokenizers import vocabulary
from rondo_tokenizers.normalization import compose
from rondo_tokenizers.vocabulary import Tokenizer, control_symbols, target_tag

AWKWARD = (
    " ",
    "   ",
    "\t",
    "\n",
    "\r\n",
    "\u00a0",
    "\u2003\u2028\u2029",
    "\u3000",
    "\0",
    "\u2581",
    "\u2581\u2581",
    "\ufffd",
    "\ufeff",
    "\u200b",
    "\u0007\u001b[0m\u007f",
    "\U0010ffff",
    "👩‍👩‍👧‍👦",
    "🏳️‍🌈",
    "🇰🇷🇩🇪",
    "👍🏽",
    "<s>",
    "</s>",
    "<pad>",
    "<unk>",
    "<2de>",
    "<summary>",
    "<0x0A>",
    "<0xFF>",
    "한국어",
    unicodedata.normalize("NFD", "한국어"),
    "e\u0301é",
    "größer",
    "2024",
    "ⅷ²",
)
any_text = st.text()
awkward_text = st.lists(st.one_of(st.sampled_from(AWKWARD), st.text(max_size=3))).map("".join)
word = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=8).filter(
    lambda text: not any(character.isspace() for character in text)
)


@given(st.lists(st.one_of(word, st.sampled_from(AWKWARD))).map(" ".join))
@pytest.mark.parametrize("continues", [False, True])
def test_the_parts_of_a_text_are_the_text(tokenizer: Tokenizer, continues: bool, text: str) -> None:
    whole = tokenizer.encode_continuation(text) if continues else tokenizer.encode(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocabulary, "_PART_CHARACTERS", 1)
        parts = list(tokenizer.encode_in_parts(text, continues=continues))
    assert [identifier for part in parts for identifier in part] == whole


def test_a_long_text_is_encoded_in_parts_of_some_words(tokenizer: Tokenizer) -> None:
    text = "The boat is small. " * 1000
    lengths = [len(part) for part in tokenizer.encode_in_parts(text)]
    assert sum(lengths) == len(tokenizer.encode(text))
    assert max(lengths) < sum(lengths) / 8


@given(st.one_of(any_text, awkward_text))
def test_decoding_gives_the_text_back(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("text", AWKWARD, ids=ascii)
def test_decoding_gives_awkward_text_back(tokenizer: Tokenizer, text: str) -> None:
    for framed in (text, f" {text}", f"{text} ", f"a{text}b", f"a {text} b", text * 2, f"가{text}나"):
        assert tokenizer.decode(tokenizer.encode(framed)) == framed


@given(st.one_of(any_text, awkward_text))
def test_text_never_becomes_a_control_or_unknown_id(tokenizer: Tokenizer, text: str) -> None:
    forbidden = tokenizer.control_ids | {tokenizer.unknown_id, tokenizer.pad_id}
    ids = tokenizer.encode(text)
    assert forbidden.isdisjoint(ids)
    assert all(0 <= identifier < tokenizer.size for identifier in ids)


def test_empty_text_has_no_ids(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("") == []
    assert tokenizer.decode([]) == ""


@pytest.mark.parametrize("text", ["\ud800", "tail \udfff", "\ude00\ud83d"])
def test_lone_surrogates_are_refused(tokenizer: Tokenizer, text: str) -> None:
    with pytest.raises(ValueError, match="lone surrogate at character"):
        tokenizer.encode(text)


@given(st.data())
def test_decoding_any_ids_never_raises(tokenizer: Tokenizer, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, tokenizer.size - 1)))
    assert isinstance(tokenizer.decode(ids), str)
    assert isinstance(tokenizer.decode_continuation(ids), str)


def test_decoding_leaves_control_symbols_out(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("Nacht")
    framed = [tokenizer.start_id, tokenizer.target_ids["de"], *ids, tokenizer.end_id, tokenizer.pad_id]
    assert tokenizer.decode(framed) == "Nacht"
    assert tokenizer.decode(sorted(tokenizer.control_ids)) == ""


def test_bytes_that_are_no_utf8_become_replacement_characters(tokenizer: Tokenizer) -> None:
    first_bytes = tokenizer.encode("\u2581")[:-1]
    assert "\ufffd" in tokenizer.decode([*first_bytes, *tokenizer.encode("a")])


@given(st.lists(word, min_size=2, max_size=5))
def test_a_word_has_the_same_pieces_first_and_inside(tokenizer: Tokenizer, words: list[str]) -> None:
    alone = [identifier for item in words for identifier in tokenizer.encode(item)]
    assert tokenizer.encode(" ".join(words)) == alone


@given(st.lists(word, min_size=1, max_size=3), st.lists(word, min_size=1, max_size=3))
def test_a_continuation_keeps_its_leading_space(tokenizer: Tokenizer, first: list[str], later: list[str]) -> None:
    begin, rest = " ".join(first), " ".join(later)
    joined = tokenizer.decode(tokenizer.encode(begin)) + tokenizer.decode_continuation(tokenizer.encode(rest))
    assert joined == f"{begin} {rest}"


def test_a_text_may_be_decoded_in_two_parts_at_any_id(tokenizer: Tokenizer) -> None:
    text = "The night train slowly leaves the harbour."
    ids = tokenizer.encode(text)
    for cut in range(1, len(ids)):
        assert tokenizer.decode(ids[:cut]) + tokenizer.decode_continuation(ids[cut:]) == text


def test_an_inner_word_of_the_vocabulary_carries_its_space(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("the harbour")
    inside = ids[len(tokenizer.encode("the")) :]
    assert tokenizer.decode(inside) == "harbour"
    assert tokenizer.decode_continuation(inside) == " harbour"


def test_decomposed_hangul_is_exact_and_composed_only_on_demand(tokenizer: Tokenizer) -> None:
    decomposed = unicodedata.normalize("NFD", "조용한 항구")
    assert tokenizer.decode(tokenizer.encode(decomposed)) == decomposed
    assert tokenizer.decode(tokenizer.encode(compose(decomposed))) == "조용한 항구"
    assert len(tokenizer.encode(compose(decomposed))) < len(tokenizer.encode(decomposed))


def test_a_batch_is_its_texts(tokenizer: Tokenizer) -> None:
    texts = ["the bridge", "", "시장 쪽으로"]
    assert tokenizer.encode_batch(texts) == [tokenizer.encode(text) for text in texts]


def test_special_ids_are_distinct_controls(tokenizer: Tokenizer) -> None:
    ids = [tokenizer.pad_id, tokenizer.start_id, tokenizer.end_id, tokenizer.summary_id]
    assert list(tokenizer.target_ids) == ["en", "de", "ko"]
    ids.extend(tokenizer.target_ids.values())
    assert tokenizer.pad_id == 0
    assert tokenizer.unknown_id not in tokenizer.control_ids
    assert set(ids) == tokenizer.control_ids
    assert len(set(ids)) == len(ids)


def test_digits_are_separate_pieces(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("a 2024")[-4:] == [tokenizer.encode(f"a{digit}")[-1] for digit in "2024"]


def test_the_shipped_vocabulary_knows_three_languages(shipped: Tokenizer) -> None:
    assert shipped.size == 8192
    for text in ("The children are playing outside.", "Die Kinder spielen draußen.", "아이들이 밖에서 놀고 있다."):
        assert len(shipped.encode(text)) <= 12


@pytest.mark.parametrize("model", [b"", b"no model", b"\0" * 16])
def test_other_bytes_are_no_vocabulary(model: bytes) -> None:
    with pytest.raises(ValueError, match="not a SentencePiece model"):
        Tokenizer(model)


def _trained(sentences: list[str], symbols: list[str], *, byte_fallback: bool, own_pieces: Sequence[str] = ()) -> bytes:
    output = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(sentences),
        model_writer=output,
        vocab_size=600 if byte_fallback else 400,
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
        byte_fallback=byte_fallback,
        control_symbols=symbols,
        user_defined_symbols=list(own_pieces),
        minloglevel=2,
    )
    return output.getvalue()


def test_a_vocabulary_without_bytes_is_refused(sentences: list[str]) -> None:
    with pytest.raises(ValueError, match="no <0x00> piece"):
        Tokenizer(_trained(sentences, control_symbols(["en"]), byte_fallback=False))


def test_a_vocabulary_without_any_target_tag_is_refused(sentences: list[str]) -> None:
    with pytest.raises(ValueError, match="none of the pieces <2en>, <2de>, <2ko>, <2fr>"):
        Tokenizer(_trained(sentences, ["<summary>", "<2es>"], byte_fallback=True))


def test_a_target_tag_that_text_could_be_is_none(sentences: list[str]) -> None:
    """Only a control symbol is one: a piece of the same letters stands for text."""
    texts = [f"{target_tag('fr')} {sentence}" for sentence in sentences]
    model = _trained(texts, control_symbols(["en", "de"]), byte_fallback=True, own_pieces=[target_tag("fr")])
    tokenizer = Tokenizer(model)
    assert "<2fr>" in [tokenizer.name(identifier) for identifier in range(tokenizer.size)]
    assert list(tokenizer.target_ids) == ["en", "de"]


def test_words_of_a_continuation_are_those_of_the_whole(tokenizer: Tokenizer) -> None:
    first, second = "The boat is slow,", " aber 배가 천천히  간다."
    assert tokenizer.encode(first) + tokenizer.encode_continuation(second) == tokenizer.encode(first + second)


@pytest.mark.parametrize("text", ["the house", "💖", "▁ a"])
def test_the_spellings_of_ids_are_the_bytes_of_the_text(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert b"".join(map(tokenizer.spelling, ids)) == f" {text}".encode()
    assert tokenizer.spelling(tokenizer.end_id) == b""
    assert tokenizer.name(tokenizer.end_id) == "</s>"

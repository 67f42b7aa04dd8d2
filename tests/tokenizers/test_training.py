import pytest

from rondo_tokenizers.training import _parts, train_vocabulary
from rondo_tokenizers.vocabulary import Tokenizer

LANGUAGES = ("en", "de", "ko")


def test_the_vocabulary_has_the_asked_size(tiny: Tokenizer) -> None:
    assert tiny.size == 640


def test_control_symbols_come_first(tiny: Tokenizer) -> None:
    assert (tiny.pad_id, tiny.unknown_id, tiny.start_id, tiny.end_id) == (0, 1, 2, 3)
    assert tiny.control_ids == {0, 2, 3, 4, 5, 6, 7}
    assert [tiny.name(identifier) for identifier in range(4, 8)] == ["<2en>", "<2de>", "<2ko>", "<summary>"]


@pytest.mark.parametrize("languages", [("en", "fr"), ("fr", "en"), ("ko",), ("en", "de", "ko", "fr")])
def test_a_vocabulary_has_the_target_tags_of_its_languages_alone(
    sentences: list[str], languages: tuple[str, ...]
) -> None:
    tokenizer = Tokenizer(train_vocabulary(sentences, size=640, languages=languages))
    assert tokenizer.target_ids == {language: 4 + place for place, language in enumerate(languages)}
    assert tokenizer.summary_id == 4 + len(languages)
    text = "".join(f"<2{language}>" for language in ("en", "de", "ko", "fr"))
    assert tokenizer.control_ids.isdisjoint(tokenizer.encode(text))
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize(
    ("languages", "message"),
    [
        ((), "languages are missing; possible are en, de, ko, fr"),
        (("en", "es"), "unknown language 'es'; possible are en, de, ko, fr"),
        (("en", "fr", "en"), "a language is listed twice: en, fr, en"),
    ],
)
def test_languages_that_cannot_be_are_refused(sentences: list[str], languages: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train_vocabulary(sentences, size=640, languages=languages)


def test_frequent_words_are_one_piece(tiny: Tokenizer) -> None:
    assert len(tiny.encode("boat")) <= 2
    assert len(tiny.encode("zzqxj")) > 3


def test_training_is_repeatable(sentences: list[str], tiny_model: bytes) -> None:
    assert train_vocabulary(sentences, size=640, languages=LANGUAGES, character_coverage=0.98) == tiny_model


def _written_in_bytes(tokenizer: Tokenizer, sentences: list[str]) -> set[str]:
    """The characters that take as many ids as they have bytes in UTF-8."""
    characters = {character for character in "".join(sentences) if not character.isascii()}
    alone = len(tokenizer.encode("a"))
    return {c for c in characters if len(tokenizer.encode(f"a{c}")) - alone == len(c.encode())}


def test_coverage_says_which_characters_get_a_piece(sentences: list[str], tiny: Tokenizer) -> None:
    full = Tokenizer(train_vocabulary(sentences, size=640, languages=LANGUAGES, character_coverage=1.0))
    assert not _written_in_bytes(full, sentences)
    rare = _written_in_bytes(tiny, sentences)
    text = "".join(sentences)
    assert rare
    assert max(map(text.count, rare)) <= 2
    assert tiny.decode(tiny.encode(text)) == text


def test_digits_and_words_that_begin_a_line_have_their_own_pieces(sentences: list[str]) -> None:
    endings = ("tag", "fest", "haus", "kleid", "regen", "wind")
    lines = [f"Sommer{endings[number % 6]} {2020 + number % 9}: {line}" for number, line in enumerate(sentences)]
    tokenizer = Tokenizer(train_vocabulary(lines, size=640, languages=LANGUAGES))
    assert len(tokenizer.encode("Sommer")) == 1
    assert [tokenizer.decode([identifier]) for identifier in tokenizer.encode("am 2024")[-4:]] == list("2024")


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_size_that_the_text_does_not_fit_is_refused(sentences: list[str], size: int) -> None:
    with pytest.raises(ValueError, match=f"could not learn {size} pieces"):
        train_vocabulary(sentences, size=size, languages=LANGUAGES)


def test_a_size_that_need_not_be_exact_is_an_upper_limit(sentences: list[str]) -> None:
    tokenizer = Tokenizer(train_vocabulary(sentences, size=100_000, languages=LANGUAGES, exact=False))
    assert 640 < tokenizer.size < 1000
    assert [tokenizer.decode(tokenizer.encode(sentence)) for sentence in sentences] == sentences
    with pytest.raises(ValueError, match="could not learn 100 pieces"):
        train_vocabulary(sentences, size=100, languages=LANGUAGES, exact=False)


@pytest.mark.parametrize("separator", ["\n", " ", ". ", ""])
def test_long_texts_have_a_part_in_the_vocabulary(sentences: list[str], separator: str) -> None:
    """SentencePiece passes over a line of more than 16 KB, so that a file of only such could not be trained on."""
    text = separator.join(sentences)
    text *= 1 + 40_000 // len(text)
    tokenizer = Tokenizer(train_vocabulary([text], size=640, languages=LANGUAGES, exact=False))
    assert len(tokenizer.encode("boat")) <= 2


def test_a_long_text_is_parted_where_it_is_best_read() -> None:
    lines = ["The ferry leaves. It is late" + " and late" * 300 for _ in range(20)]
    assert list(_parts("\n".join(lines))) == lines
    assert list(_parts("short\ntext")) == ["short\ntext"]
    assert "".join(_parts("한" * 9000)) == "한" * 9000
    assert next(iter(_parts("One two. " * 3000))).endswith("One two.")

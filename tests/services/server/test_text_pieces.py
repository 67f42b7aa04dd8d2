"""The pieces of a text, joined, are the text up to its first stop, and none shows what may still change."""

import unicodedata
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo_services.generation.continuation import StateSealer
from rondo_services.generation.schema import GenerateRequest
from rondo_services.generation.service import GenerationService, TextPieces


class ByteTokenizer:
    """Ids are bytes; it counts those that were spelled."""

    def __init__(self) -> None:
        self.num_spelled = 0

    def spelling(self, identifier: int) -> bytes:
        self.num_spelled += 1
        return bytes((identifier,))

    def decode_continuation(self, ids: Iterable[int]) -> str:
        return b"".join(map(self.spelling, ids)).decode("utf-8", errors="replace")


class PieceTokenizer:
    """Ids are numbers of given pieces of text."""

    def __init__(self, pieces: list[str]) -> None:
        self.pieces = pieces

    def spelling(self, identifier: int) -> bytes:
        return self.pieces[identifier].encode()


def _of_bytes(*stops: str) -> TextPieces:
    return TextPieces(ByteTokenizer(), stops)  # type: ignore[arg-type]


def _written(pieces: TextPieces, ids: Iterable[int]) -> list[str]:
    given = []
    for identifier in ids:
        given.append(pieces.add(identifier))
        if pieces.stopped:
            break
    return [*given, pieces.rest()]


def test_without_stops_each_id_gives_its_text_at_once() -> None:
    assert _written(_of_bytes(), b"abc") == ["a", "b", "c", ""]


@pytest.mark.parametrize("character", ["é", "한", "💖"])
def test_a_character_is_held_back_until_it_is_whole(character: str) -> None:
    content = character.encode()
    assert _written(_of_bytes(), content + b"!") == [*[""] * (len(content) - 1), character, "!", ""]


def test_bytes_that_are_no_text_come_as_replacement_characters() -> None:
    assert "".join(_written(_of_bytes(), b"a\xffb\xe2\x82")) == "a\ufffdb\ufffd"


def test_a_stop_over_several_ids_is_never_begun() -> None:
    pieces = _of_bytes("END")
    assert _written(pieces, b"an END of it") == ["a", "n", " ", "", "", "", ""]
    assert pieces.stopped
    assert pieces.num_given == 3
    assert pieces.num_ids == 6


def test_what_looked_like_a_stop_comes_when_it_was_none() -> None:
    assert _written(_of_bytes("END"), b"ENTE") == ["", "", "ENT", "", "E"]


def test_the_earliest_of_several_stops_ends_the_text() -> None:
    pieces = TextPieces(PieceTokenizer(["one two three", " four"]), ["three", "two"])  # type: ignore[arg-type]
    assert _written(pieces, [0, 1]) == ["one ", ""]


def test_a_stop_inside_one_id_ends_before_it() -> None:
    pieces = TextPieces(PieceTokenizer(["a.b.c"]), ["."])  # type: ignore[arg-type]
    assert _written(pieces, [0]) == ["a", ""]


@pytest.mark.parametrize("stop", ["ab한", "b한", "한국", "b💖c"])
def test_the_beginning_of_a_stop_is_held_back_while_a_character_is_incomplete(stop: str) -> None:
    """ "ab" was once given out as soon as the first byte of the stop's third character had come."""
    pieces = _of_bytes(stop)
    text = f"x{stop}"
    assert "".join(_written(pieces, f"{text}yz".encode())) == "x"
    assert pieces.stopped


def test_after_a_stop_nothing_more_comes() -> None:
    pieces = _of_bytes("b")
    _written(pieces, b"ab")
    assert (pieces.add(ord("c")), pieces.rest(), pieces.num_given, pieces.num_ids) == ("", "", 1, 2)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([*"ab ", "한", "é", "💖"]), max_size=30).map("".join),
    st.lists(st.text(st.sampled_from([*"ab ", "한", "é"]), min_size=1, max_size=4), max_size=3),
)
def test_pieces_joined_are_the_text_before_its_first_stop(text: str, stops: list[str]) -> None:
    pieces = _of_bytes(*stops)
    given = _written(pieces, text.encode())
    # A stop counts as soon as its last character is there, so one that is complete earlier wins.
    ends = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text]
    expected = text[: min(start for end, start in ends if end == min(ends)[0])] if ends else text
    assert "".join(given) == expected
    assert pieces.num_given == len(expected)
    assert pieces.stopped == bool(ends)
    assert not any("\ufffd" in piece for piece in given)


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_come_as_they_decode_together(content: bytes) -> None:
    assert "".join(_written(_of_bytes(), content)) == content.decode("utf-8", errors="replace")


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([b"a", "é".encode(), "💖".encode(), b"\x88", b"\xe2\x82", b"\xf0", b"\xff"]), max_size=40)
)
def test_broken_characters_come_as_they_decode_together(parts: list[bytes]) -> None:
    content = b"".join(parts)
    pieces = _of_bytes()
    given = ""
    for number, value in enumerate(content, 1):
        given += pieces.add(value)
        decoded = content[:number].decode("utf-8", errors="replace")
        assert pieces.num_known == len(decoded)
        assert decoded.startswith(given)
        assert len(decoded) - len(given) <= 1  # all but a character that is not whole
    assert given + pieces.rest() == content.decode("utf-8", errors="replace")


def test_a_run_of_broken_bytes_comes_at_once_and_costs_no_more_than_any_text() -> None:
    """All of it was decoded again for each byte, which took seconds of the server's event loop."""
    tokenizer = ByteTokenizer()
    pieces = TextPieces(tokenizer, ["END"])  # type: ignore[arg-type]
    assert [pieces.add(0x88) for _ in range(2000)] == ["\ufffd"] * 2000
    assert tokenizer.num_spelled == 2000


def test_a_replacement_character_is_a_stop_only_where_it_stays() -> None:
    """The first byte of any longer character was taken for it."""
    pieces = _of_bytes("\ufffd")
    assert _written(pieces, "é".encode() + b"\xffb") == ["", "é", "", ""]
    assert pieces.stopped


def _service() -> GenerationService:
    return GenerationService(ByteTokenizer(), "generation", ("en",), StateSealer("", ""))  # type: ignore[arg-type]


@pytest.mark.parametrize("stop", [unicodedata.normalize("NFD", "é"), ["x", unicodedata.normalize("NFD", "한국")]])
def test_a_stop_that_comes_decomposed_stops(stop: str | list[str]) -> None:
    """It never did: what the model writes is composed."""
    pieces = _service().pieces(GenerateRequest(prompt="", stop=stop))
    assert "".join(_written(pieces, "ab한국é".encode())) in ("ab", "ab한국")
    assert pieces.stopped

"""SubRip: all but the text stays to the byte."""

import pytest

from rondo_services.documents.subtitles import MOST_SPEAKERS, even_lines, read_subtitles
from rondo_services.errors import InvalidInput

FILE = """\
7
00:00:01,000 --> 00:00:03,500 X1:10 X2:20
<i>We wanted to go
down to the river.</i>

8
00:00:04.5 --> 00:00:06,000
- Where are you?
- Here I am.

10
00:00:07,000 --> 00:00:08,000


11
00:00:09,000 --> 00:00:10,000
The end."""


def translated(data: bytes) -> bytes:
    document = read_subtitles(data)
    return document.written([passage.text.upper() for passage in document.passages])


def test_lines_of_one_sentence_are_a_passage_and_dialogue_is_not() -> None:
    assert [passage.text for passage in read_subtitles(FILE.encode()).passages] == [
        "We wanted to go down to the river.",
        "Where are you?",
        "Here I am.",
        "The end.",
    ]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_numbers_times_and_positions_stay(line_end: str, mark: str) -> None:
    file = mark + FILE.replace("\n", line_end)
    expected = file
    for text in ("We wanted to go", "down to the river.", "Where are you?", "Here I am.", "The end."):
        expected = expected.replace(text, text.upper())
    assert translated(file.encode()) == expected.encode()


def test_nothing_changes_if_the_text_does_not() -> None:
    document = read_subtitles(FILE.encode())
    assert document.written([passage.text for passage in document.passages]).decode() == FILE


@pytest.mark.parametrize("file", ["No subtitles here.", "1\n00:00:01,000 -> 2\nText\n"])
def test_what_is_no_subrip_is_refused(file: str) -> None:
    with pytest.raises(InvalidInput, match="no SubRip"):
        read_subtitles(file.encode())


def test_an_empty_file_has_no_passages() -> None:
    assert translated(b"") == b""


@pytest.mark.parametrize(
    ("text", "count", "lines"),
    [
        ("one two three four", 2, ["one two", "three four"]),
        ("one two three four", 1, ["one two three four"]),
        ("antidisestablishmentarianism is long", 2, ["antidisestablishmentarianism", "is long"]),
        ("one", 3, ["one"]),
        ('<font color="red"> one </font> two', 3, ['<font color="red"> one </font>', "two"]),
        (r"{\pos(1, 2)}one two", 2, [r"{\pos(1, 2)}one", "two"]),
        ("<i>one two</i> three four", 2, ["<i>one two</i>", "three four"]),
        ("", 2, [""]),
        ("a 10\u00a0km", 2, ["a", "10\u00a0km"]),
    ],
)
def test_even_lines(text: str, count: int, lines: list[str]) -> None:
    assert even_lines(text, count) == lines


@pytest.mark.parametrize("filling", [" " * 51 + "a", "\n", "1" * 17 + " "], ids=repr)
def test_what_would_take_the_parser_for_ever_is_refused(filling: str) -> None:
    """Its pattern is matched with the interpreter's lock held: the whole server would stand still."""
    with pytest.raises(InvalidInput, match="in a row"):
        read_subtitles((filling * 1_000_000)[:900_000].encode() + b"x")


def test_a_file_that_is_too_large_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"at most 1000000 in a \.srt file"):
        read_subtitles(b"a " * 500_001)


def subtitle(content: str) -> bytes:
    return f"1\n00:00:01,000 --> 00:00:02,000\n{content}\n\n".encode()


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (r"{\an8}Where is the station?", ["Where is the station?"]),
        ("<i>Where is the station?</i>", ["Where is the station?"]),
        (r"{\an8}<i>♪ Where is" "\nthe station? ♪</i>", ["Where is the station?"]),
        ('<font color="#ff0000"><b>Where?</b></font>', ["Where?"]),
        ("<v Roger Bingham>Where?", ["Where?"]),
        ("<00:00:01.500><c.loud>Where?</c>", ["Where?"]),
        ("- Hello.\n- Hi.", ["Hello.", "Hi."]),
        ("-Hello.\n–Hi.", ["Hello.", "Hi."]),
        ("<i>- Hello.\n- Hi.</i>", ["Hello.", "Hi."]),
        ("{\\an8}- Hello.\n<i>- Hi.</i>", ["Hello.", "Hi."]),
        (">> Hello.\n>> Hi.", ["Hello.", "Hi."]),
        ("♪ I love you so ♪\n♪ The sun is shining ♪", ["I love you so", "The sun is shining"]),
        ("<i>♪ I love you so ♪</i>\n<i>♫ The sun is\nshining</i> ♫", ["I love you so", "The sun is shining"]),
        ("♪ I love you so ♪\n♪", ["I love you so"]),
        ("JOHN: Hello.\nMARY ANN: Hi.", ["JOHN: Hello.", "MARY ANN: Hi."]),
        ("It was\n-5 degrees.", ["It was -5 degrees."]),
        ("-- and then\nit was", ["and then it was"]),
        ("[door slams]", ["door slams"]),
        ("[door slams]\nWho is it?", ["door slams", "Who is it?"]),
        ("[John] Hello, [sic] you.", ["John", "Hello, [sic] you."]),
        ("Go away! [door slams]", ["Go away!", "door slams"]),
        ("...", []),
        ("<i></i>", []),
        ("{name} is here <3", ["{name} is here <3"]),
    ],
)
def test_what_frames_the_words_is_no_passage_and_stays(content: str, texts: list[str]) -> None:
    """`{\an8}Where is the station?` was translated as it stands, and became `{\an8} ist der Bahnhof?`."""
    document = read_subtitles(subtitle(content))
    assert [(passage.text, passage.format) for passage in document.passages] == [(text, "text") for text in texts]
    assert document.written(texts).split() == subtitle(content).split()


@pytest.mark.parametrize(
    ("content", "markup"),
    [
        ("I <i>love</i> you & <b>me", 'I <g id="0">love</g> you &amp; <x id="2"/>me'),
        (r"A {\i1}fine{\i0} day", 'A <x id="0"/>fine<x id="1"/> day'),
        ("<i>One</i> two <i>three</i>", '<g id="0">One</g> two <g id="2">three</g>'),
        ("One<c.loud> two</c> <b>a<i>b</b></i>.", 'One<g id="0"> two</g> <g id="2">a<x id="3"/>b</g><x id="5"/>.'),
        ("1 < 2 <b>and</b> &lt;", '1 &lt; 2 <g id="0">and</g> &amp;lt;'),
    ],
)
def test_marks_between_the_words_are_tags(content: str, markup: str) -> None:
    document = read_subtitles(subtitle(content))
    assert [(passage.text, passage.format) for passage in document.passages] == [(markup, "html")]
    assert document.written([markup]) == subtitle(content)


def test_tags_go_with_their_words() -> None:
    document = read_subtitles(subtitle("<i>Really</i>, I <b>love</b> you."))
    assert document.written(['Ich <g id="2">liebe</g> dich <g id="0">wirklich</g> &amp; &lt;.']) == subtitle(
        "Ich <b>liebe</b> dich <i>wirklich</i> & <."
    )


@pytest.mark.parametrize("translation", ["Ich liebe dich", '<g id="2">a</g>', '<g id="0">a', "<g id='7'>a</g>"])
def test_other_tags_than_those_of_the_source_are_an_error(translation: str) -> None:
    document = read_subtitles(subtitle("I <i>love</i> you."))
    with pytest.raises(ValueError, match="has not the tags"):
        document.written([translation])


def test_a_number_of_translations_other_than_of_passages_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 translations of 1 passages"):
        read_subtitles(subtitle("Hello.")).written(["Hallo.", "Und?"])


def test_many_speakers_are_refused() -> None:
    dialogue = b"-a\n" * (MOST_SPEAKERS // 10)
    file = b"".join(b"1\n00:00:01,000 --> 00:00:02,000\n" + dialogue + b"\n" for _ in range(11))
    with pytest.raises(InvalidInput, match="at most 50000"):
        read_subtitles(file)


def test_marks_that_are_never_closed_take_no_longer_each() -> None:
    content = "a" + "<i>" * 3000 + "b</b></i>" * 1000
    document = read_subtitles(subtitle(content) * 20)
    assert document.written([passage.text for passage in document.passages]) == subtitle(content) * 20

"""What must not change is found, and only that."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_tokenizers.protected import find_protected


def _found(text: str) -> list[str]:
    return [text[own.begin : own.end] for own in find_protected(text)]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(("placeholder", text) for text in ("{name}", "{0}", "{}", "{0:.2f}", "{{x}}", "{{ user.name }}", "${x}")),
        *(("placeholder", text) for text in ("%s", "%d", "%5.2f", "%(name)s", "%1$s", "%1", "%L1", "%%", "$name")),
        *(("placeholder", text) for text in ("#{x}", "%{count}", "{% if a %}", "{n, number}")),
        *(("url", text) for text in ("https://example.org/a_(b)?x=1&y=2#z", "www.example.org", "mailto:a@b.org")),
        *(("url", text) for text in ("https://de.wikipedia.org/wiki/Köln", "https://ru.wikipedia.org/wiki/Москва")),
        *(("url", text) for text in ("https://bücher.example/ä?ö=ü", "https://hi.wikipedia.org/wiki/हिन्दी_भाषा")),
        ("email", "first.last+x@mail.example.co.uk"),
        *(("email", text) for text in ("müller@example.de", "info@müller.de", "почта@пример.рф")),
        *(("code", text) for text in ("`ls -l`", "``a ` b``")),
        *(("tag", text) for text in ('<a href="x y">', "</b>", "<br/>")),
        *(("entity", text) for text in ("&nbsp;", "&#8222;")),
        *(("number", text) for text in ("5", "1,234.56", "1.234,56", "10:30", "2013-05-12", "12.05.2013", "-5")),
        *(("number", text) for text in ("3–5", "1/2", "50%", "50 %", "1 000 000", "$5.50", "20 €", "1.2.3")),
        *(("symbol", text) for text in ("€", "₩", "©", "™", "§", "→", "❤️", "👩🏽‍💻")),
        *(("symbol", text) for text in ("1️⃣", "#️⃣", "*⃣", "🔟1️⃣", "‼️", "⁉️", "ℹ️", "Ⓜ️", "㊙️", "〽️", "〰", "™️", "✔︎")),
        *(("symbol", text) for text in ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "🇩🇪🇰🇷")),
        ("object", "\ufffc"),
    ],
)
@pytest.mark.parametrize(("before", "after"), [("Take ", " now."), ("(", ")"), ("", ", please"), ("이것은 ", "입니다")])
def test_a_protected_part_is_found_whole(kind: str, text: str, before: str, after: str) -> None:
    (own,) = find_protected(before + text + after)
    assert (own.begin, own.end, own.kind) == (len(before), len(before) + len(text), kind)


@pytest.mark.parametrize(
    "text",
    [
        "A plain text, with marks: (like) these!",
        "a < b and c > d",
        "x<y and z>w",
        "Fish & chips",
        "{see the note below}",
    ],
)
def test_ordinary_text_is_not_protected(text: str) -> None:
    assert find_protected(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{name}{name}", ["{name}", "{name}"]),
        ("1, 2, 3", ["1", "2", "3"]),
        ("5시 30분", ["5", "30"]),
        ("MP3 2nd 1990er", ["3", "2", "1990"]),
        ("100%s", ["100", "%s"]),
        ("See https://example.org/a. And b@c.org!", ["https://example.org/a", "b@c.org"]),
        ("http://x.kr에서", ["http://x.kr"]),
        ("11️⃣, -1️⃣ 5,1️⃣", ["1", "1️⃣", "1️⃣", "5", "1️⃣"]),
        ("©️2024 §5", ["©️", "2024", "5"]),
    ],
)
def test_neighbours_are_told_apart(text: str, expected: list[str]) -> None:
    assert _found(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.com을 여세요", "https://example.com"),
        ("https://example.com/a를 여세요", "https://example.com/a"),
        ("https://example.com/을 여세요", "https://example.com/"),
        ("https://example.com/?q=에서 봅니다", "https://example.com/?q="),
        ("주소는 https://example.com/입니다.", "https://example.com/"),
        ("https://example.com(영문)에서", "https://example.com"),
        ("주소는 https://ko.wikipedia.org/wiki/한국어 입니다.", "https://ko.wikipedia.org/wiki/한국어"),
        ("https://ko.wikipedia.org/wiki/서울_(도시)", "https://ko.wikipedia.org/wiki/서울_(도시)"),
        ("https://example.com/검색?질의=한국&쪽=2 참고", "https://example.com/검색?질의=한국&쪽=2"),
        ("https://example.com/이/가.html", "https://example.com/이/가.html"),
        ("www.한국.kr에서", "www.한국.kr"),
        ("이메일은info@example.kr로 보내세요", "info@example.kr"),
        ("홍길동@회사.한국 앞으로", "홍길동@회사.한국"),
    ],
)
def test_particles_are_no_part_of_an_address(text: str, expected: str) -> None:
    """Without its Hangul an address led elsewhere; with a particle it does, too."""
    assert _found(text) == [expected]


@given(st.text(alphabet="aß9 0.,:%{}$`@<>/&;#s한\n\ufffc\ufe0f\u20e3"))
def test_every_digit_is_protected_and_parts_are_in_order(text: str) -> None:
    found = find_protected(text)
    assert all(own.begin < own.end for own in found)
    assert all(one.end <= other.begin for one, other in pairwise(found))
    rest = list(text)
    for own in found:
        rest[own.begin : own.end] = " " * (own.end - own.begin)
    assert not any(character.isdigit() for character in rest)


@pytest.mark.parametrize("end", ["1111", "1,", "a"])
def test_groups_of_digits_take_linear_time(end: str) -> None:
    """25,000 characters took a second, and twice as many eight times as long."""
    began = time.perf_counter()
    find_protected("111 " * 50_000 + end)
    assert time.perf_counter() - began < 5

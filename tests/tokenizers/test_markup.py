"""HTML is read without loss, however broken it is, and what is to be translated is told from what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_tokenizers.markup import Unit, read_markup
from rondo_tokenizers.protected import OBJECT

_PIECES = [
    *(
        "<p>",
        "</p>",
        "<b>",
        "</b>",
        "<i class='a'>",
        "</i>",
        "<br>",
        "<br/>",
        "<img src=x>",
        "<div translate=no>",
        "</div>",
    ),
    *(
        "<code>",
        "</code>",
        "<script>",
        "</script>",
        "<!--",
        "-->",
        "<!",
        "<?php",
        "<a href='",
        "'",
        '"',
        ">",
        "<",
        "</",
    ),
    *("<svg>", "</svg>", "<path/>", "<style/>"),
    *("<li>", "<ul>", "</ul>", "<span class='x notranslate'>", "</span>", "<pre>", "</pre>", "<title>", "</title>"),
    *(
        "&amp;",
        "&",
        "&nbsp;",
        "&lt",
        ";",
        "Text ",
        "two words",
        "\n",
        " ",
        "한국어",
        OBJECT,
        "<x/>",
        "<![CDATA[",
        "]]>",
    ),
]
_MARKUP = st.lists(st.sampled_from(_PIECES), max_size=30).map("".join)


def _units(markup: str) -> list[Unit]:
    return [part for part in read_markup(markup) if isinstance(part, Unit)]


@given(_MARKUP)
def test_untranslated_it_is_the_input(markup: str) -> None:
    assert "".join(part if isinstance(part, str) else part.raw for part in read_markup(markup)) == markup


@given(_MARKUP)
def test_units_are_well_formed(markup: str) -> None:
    for unit in _units(markup):
        assert unit.text.count(OBJECT) == len(unit.objects)
        for number, tag in enumerate(unit.tags):
            assert 0 <= tag.begin <= tag.end <= len(unit.text)
            assert tag.parent < number
            if tag.parent >= 0:
                parent = unit.tags[tag.parent]
                assert parent.closing
                assert parent.begin <= tag.begin <= tag.end <= parent.end


@pytest.mark.parametrize(
    ("markup", "texts"),
    [
        ("<p>One <b>two</b></p><p>three</p>", ["One two", "three"]),
        ("a&nbsp;&lt;b&gt; &amp; c", ["a\u00a0<b> & c"]),
        ("Run <code>ls &amp; <b>x</b></code> now", [f"Run {OBJECT} now"]),
        ("Press <kbd>a</kbd><kbd>b</kbd>, <var>x</var> or <samp>y</samp>", [f"Press {OBJECT}, {OBJECT} or {OBJECT}"]),
        ("<p translate='no'>One<p>two", ["two"]),
        ("<div class='notranslate x'>One<p>two</p></div>three", ["three"]),
        ("Say <span translate=NO>this</span>!", [f"Say {OBJECT}!"]),
        ("<pre>one</pre><script>if (a<b) '</p>'</script><style>p{}</style><textarea>x</textarea>two", ["two"]),
        ("<title>a < b &amp; <i></title>", ["a < b & <i>"]),
        ("one<br>two", ["one two"]),
        ("one<br> <br>two", ["one", "two"]),
        ("<ul><li>one<li>two</ul>", ["one", "two"]),
        ("<p><code>a<p>b", ["b"]),
        ("<p>1 2 3</p><p>...</p>", []),
        ("<!-- a <b> -->one<!-- two -->", ["one"]),
        ("one <svg>" + 70 * "<path d='M0 0'/>" + "</svg> two<p>three</p>", ["one ", " two", "three"]),
        ("<svg viewBox='0 0 1 1'/>one<svg><style/><title>two</title></svg>three", ["one", "three"]),
        ("<p>one <span/>two</p>", ["one two"]),
        ("<pre>" + 70 * "<a name=x>" + "</pre>one", ["one"]),
        ("<div translate=no>" + 70 * "<font>" + "</p></div><p>one</p>", ["one"]),
    ],
)
def test_what_is_text(markup: str, texts: list[str]) -> None:
    assert [unit.text for unit in _units(markup)] == texts


def test_tags_are_paired() -> None:
    (unit,) = _units("<a>x<b>y</a>z</b><i>w</i>")
    assert [(tag.opening, tag.closing, tag.begin, tag.end, tag.parent) for tag in unit.tags] == [
        ("<a>", "</a>", 0, 2, -1),
        ("<b>", "", 1, 1, 0),
        ("</b>", "", 3, 3, -1),
        ("<i>", "</i>", 3, 4, -1),
    ]


def test_deep_and_many_tags() -> None:
    for markup in ("<a>" * 3000 + "x" + "</a>" * 3000, "<b>x</b> " * 3000):
        parts = read_markup(markup)
        assert "".join(part if isinstance(part, str) else part.raw for part in parts) == markup

"""HTML is read without loss, however broken it is, and what is to be translated is told from what is not."""

import time

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
        ("one<br> <b>two</b><br>\n<BR/> <br>three<br>", ["one  two", "three "]),
        ("<ul><li>one<li>two</ul>", ["one", "two"]),
        ("<p><code>a<p>b", ["b"]),
        ("<p>1 2 3</p><p>...</p>", []),
        ("<!-- a <b> -->one<!-- two -->", ["one"]),
        ("one <svg>" + 70 * "<path d='M0 0'/>" + "</svg> two<p>three</p>", ["one ", " two", "three"]),
        ("<svg viewBox='0 0 1 1'/>one<svg><style/><title>two</title></svg>three", ["one", "three"]),
        ("<p>one <span/>two</p>", ["one two"]),
        ("<pre>" + 70 * "<a name=x>" + "</pre>one", ["one"]),
        ("<div translate=no>" + 70 * "<font>" + "</p></div><p>one</p>", ["one"]),
        ("<button>one</button> <button>two</button>", ["one", "two"]),
        ("<label><input type=radio> one</label> <label>two</label>", [" one", "two"]),
        ("<select><option>one<option>two</select>three", ["one", "two", "three"]),
        ("<dl><dt>one<dd>two<dt>three</dl>", ["one", "two", "three"]),
        ("<details><summary>one</summary>two</details>three", ["one", "two", "three"]),
        ("<fieldset><legend>one</legend>two</fieldset>", ["one", "two"]),
        ("<p translate=no>one<button>two</button>three<p>four", ["four"]),
        ("<p translate=no>one<select><option>two</select>three<div>four</div>", ["four"]),
        ("<ul><li translate=no><p>one<li>two</ul>", ["two"]),
        ("<table><tr translate=no><td><p>one<tr><td>two</table>", ["two"]),
        ("<table translate=no><tr><td>one<tr><td>two</table>three", ["three"]),
        ("<ul><li translate=no>one<ul><li>two</ul>three<li>four</ul>", ["four"]),
        ("<select><optgroup translate=no><option>one<optgroup><option>two</select>", ["two"]),
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


@pytest.mark.parametrize(
    ("markup", "texts"),
    [
        ("<a href=/>one</a> <a href='b'><b>two</b> three</a><a>four</a>", ["one", "two three", "four"]),
        ("<nav><a>one</a> » <a><img>two</a> | <!-- c --><a><img></a></nav>", ["one", "two"]),
        ("<li><a>one</a></li>", ["one"]),
        ("<a>one</a> or <a>two</a>", ["one or two"]),
        ("<a>one</a>, <a>two</a>", ["one, two"]),
        ("<a>one</a> <b>two</b>", ["one two"]),
        ("<a>one</a> <code>x</code> <a>two</a>", [f"one {OBJECT} two"]),
        ("<a>one</a> <a>two", ["one two"]),
        ("<a>one</a> " * 150, 150 * ["one"]),
    ],
)
def test_links_side_by_side_are_no_sentence(markup: str, texts: list[str]) -> None:
    """A menu of three was one sentence, and its translation in one of the links."""
    assert [unit.text for unit in _units(markup)] == texts


def test_a_value_without_quotes_may_end_in_a_slash() -> None:
    (unit,) = _units("<a href=/a/>one</a> two")
    assert [(tag.opening, tag.closing) for tag in unit.tags] == [("<a href=/a/>", "</a>")]


_LONG = 300 * "x"


@pytest.mark.parametrize(
    "markup",
    [
        50_000 * f"<p class='{_LONG}'>" + "one",
        "<code>" + 50_000 * f"<b class='{_LONG}'></b>" + "</code>one",
        50_000 * f"{_LONG}&",
        "one<p" + 200_000 * " a=" + " />",
    ],
    ids=["between", "object", "text", "attributes"],
)
def test_many_slices_take_linear_time(markup: str) -> None:
    """The parts of what is between units, of an object and of a text were joined to it one by one, each time anew."""
    began = time.process_time()
    read_markup(markup)
    assert time.process_time() - began < 10  # with the square of the length it would be minutes


def test_deep_and_many_tags() -> None:
    for markup in ("<a>" * 3000 + "x" + "</a>" * 3000, "<b>x</b> " * 3000):
        parts = read_markup(markup)
        assert "".join(part if isinstance(part, str) else part.raw for part in parts) == markup

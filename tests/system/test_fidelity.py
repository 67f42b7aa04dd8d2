"""What must not change in a translation does not: 500 sentences and odd cases against the real server."""

import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.system.asking import PAIRS, post

_SENTENCES = Path(__file__).parents[1] / "data" / "sentences.tsv"
_NUM_SENTENCES = 500
_PORTION = 25
_PLACEHOLDERS = [
    *("{name}", "{0}", "{{ user.name }}", "${total}", "%s", "%d", "%(count)s", "%1$s", "%1", "`git log -p`"),
    *("https://example.org/a?b=1&c=2", "first.last@example.org", "12:30", "3.5", "1,234", "2024-05-17", "50%"),
]
_TEXT_TEMPLATES = [
    "{given}: {text}",
    "{text} ({given})",
    "{text} {given}",
    "{given} {other} {text}",
    "- {given} {text}",
]
_MARKUP_TEMPLATES = [
    "<p><b>{text}</b> {given}</p>",
    "<div class='a'>{first} <i>{rest}</i><br>&nbsp;<code>x &amp;&amp; y</code></div>",
    "<ul><li>{first} <a href='/x?a=1&amp;b=2'><em>{rest}</em></a><!-- end --></li><li translate='no'>{text}</li></ul>",
    "<h1>{text}</h1>\n<p>{first} <img src='a.png'> {rest} <span class='notranslate'>{given}</span></p>",
]
_TERMS = {
    ("en", "de"): {"the": "DERDIEDAS", "I": "Meinereiner", "you": "Euer Gnaden"},
    ("de", "en"): {"ich": "yours truly", "der": "thee", "die": "thee", "ist": "beeth"},
    ("en", "ko"): {"the": "그거", "I": "본인", "you": "귀하"},
    ("ko", "en"): {"영화": "motion picture", "알려": "notify", "제일": "foremost"},
}
_TAG = re.compile(r"<!--.*?-->|</?[a-z][^>]*>")


def _sentences(language: str) -> list[str]:
    rows = [line.split("\t", 1) for line in _SENTENCES.read_text(encoding="utf-8").splitlines()]
    return [text for own, text in rows if own == language]


def _cases(text_format: str) -> Iterator[tuple[str, str, str, list[str]]]:
    """Source language, target language, text, and what was put into it."""
    rng = random.Random(5)
    for number in range(_NUM_SENTENCES // 2):
        source, target = PAIRS[number % len(PAIRS)]
        text = rng.choice(_sentences(source))
        given, other = rng.sample(_PLACEHOLDERS, 2)
        words = text.split(" ")
        first, rest = " ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])
        template = rng.choice(_TEXT_TEMPLATES if text_format == "text" else _MARKUP_TEMPLATES)
        if text_format == "html":
            given = given.replace("&", "&amp;")
        made = template
        for name, value in {"given": given, "other": other, "text": text, "first": first, "rest": rest}.items():
            made = made.replace(f"{{{name}}}", value) if template.count(f"{{{name}}}") else made
        yield source, target, made, [own for own, name in ((given, "{given}"), (other, "{other}")) if name in template]


def _translated(
    client: httpx.Client, cases: list[Any], **options: Any
) -> Iterator[tuple[str, list[str], dict[str, Any]]]:
    for source, target in PAIRS:
        own = [case for case in cases if case[:2] == (source, target)]
        for begin in range(0, len(own), _PORTION):
            portion = own[begin : begin + _PORTION]
            texts = [text for _, _, text, _ in portion]
            results = post(client, "/v1/translate", text=texts, source=source, target=target, **options)
            for (_, _, text, given), result in zip(portion, results, strict=True):
                yield text, given, result


def _digits(text: str) -> Counter[str]:
    return Counter(re.findall(r"\d+", text))


def test_placeholders_and_numbers_are_kept(client: httpx.Client) -> None:
    count = 0
    for text, given, result in _translated(client, list(_cases("text"))):
        translation = result["translation"]
        assert all(translation.count(own) == text.count(own) for own in given), (text, translation)
        assert {own: _digits(translation)[own] for own in _digits(text)} == _digits(text), (text, translation)
        assert translation != text
        assert "left untranslated" not in result.get("warning", "")
        count += 1
    assert count == _NUM_SENTENCES // 2


def test_tags_are_kept(client: httpx.Client) -> None:
    count = 0
    for text, given, result in _translated(client, list(_cases("html")), format="html"):
        translation = result["translation"]
        assert Counter(_TAG.findall(translation)) == Counter(_TAG.findall(text)), (text, translation)
        assert all(translation.count(own) == text.count(own) for own in given), (text, translation)
        opened: list[str] = []
        for name in re.findall(r"<(/?(?:p|b|i|div|ul|li|a|em|h1|span|code))\b", translation):
            if name.startswith("/"):
                assert opened.pop() == name[1:], (text, translation)
            else:
                opened.append(name)
        assert not opened
        count += 1
    assert count == _NUM_SENTENCES // 2


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_terms_are_honoured(client: httpx.Client, source: str, target: str) -> None:
    terms = _TERMS[source, target]
    ending = "" if source == "ko" else r"(?!\w)"
    found = 0
    texts = _sentences(source)[:25]
    results = post(client, "/v1/translate", text=texts, source=source, target=target, glossary=terms)
    for text, result in zip(texts, results, strict=True):
        for term, wanted in terms.items():
            count = len(re.findall(rf"(?<!\w){term}{ending}", text, re.IGNORECASE))
            assert result["translation"].count(wanted) >= count, (text, result)
            found += count
    assert found


@pytest.mark.parametrize(
    "text",
    [
        "{name}{name}",
        "Hello {name}{name}!",
        "%s%s: %d%%",
        "1, 2, 3, 4, 5 and 6",
        "{a} {b} {c} {d} {e} {f} {g} {h} {i} {j} {k} {l}",
        "Say {a}, {b}, {c}, {d}, {e}, {f}, {g}, {h}, {i}, {j}, {k} and {l} now",
        "\u200f{name}\u200f is \u202b5\u202c years old",
        "Use `a` and `a` or ``b``, not {{ c }}",
        "https://example.org/{id}?x=%s",
        "3 cats, 3 dogs, 33 birds and 3.3 kg",
        "",
        " \n\t",
    ],
)
def test_odd_texts(client: httpx.Client, text: str) -> None:
    (result,) = post(client, "/v1/translate", text=text, source="en", target="de", alternatives=2)
    for translation in (result["translation"], *result["alternatives"]):
        for own in re.findall(r"\{+[^{}]*\}+|%[sd%]|`+[^`]*`+|[\u200f\u202b\u202c]", text):
            assert translation.count(own) == text.count(own), translation
        assert _digits(translation) == _digits(text)


@pytest.mark.parametrize(
    "markup",
    [
        "<p><b>The <i>red <u>house</u></i></b> is big.</p>",
        "<p>An <b>unclosed tag</p><p>and </i>another</p>",
        "<b><i>crossed</b> tags</i>",
        "Fish &amp; chips &lt;b&gt; &copy; 2024&nbsp;Tom &#8364;",
        "I have 5&nbsp;dogs.",
        "Tom paid in &#8364;, not in &#8361;.",
        "<p>Run <code>rm -rf {x}</code> and <kbd>Ctrl</kbd>+<kbd>C</kbd>.</p>",
        "<pre>one\n  two</pre><script>if (a < b) { go(); }</script>",
        "<a href='x'><img src='y'></a> Come here.",
        "<p>one < two & three</p><!-- <b> -->",
        "<p",
        "a < b",
        "<br><br>Good morning.<br>How are you?",
    ],
)
def test_odd_markup(client: httpx.Client, markup: str) -> None:
    (result,) = post(client, "/v1/translate", text=markup, source="en", target="de", format="html")
    translation = result["translation"]
    assert Counter(_TAG.findall(translation)) == Counter(_TAG.findall(markup))
    kept = Counter(re.findall(r"&(?:copy|nbsp|lt|gt|#8364|#8361);", markup))
    assert Counter(re.findall(r"&#?\w+;", translation)) >= kept
    for own in re.findall(r"<(?:code|pre|script|kbd)>.*?</(?:code|pre|script|kbd)>", markup, re.DOTALL):
        assert translation.count(own) == markup.count(own)


def test_a_term_twice(client: httpx.Client) -> None:
    text = "The station is near the old station."
    (result,) = post(client, "/v1/translate", text=text, source="en", target="de", glossary={"station": "Haltepunkt"})
    assert result["translation"].count("Haltepunkt") == 2


def test_a_term_that_is_a_placeholder_stays_one(client: httpx.Client) -> None:
    glossary = {"name": "WRONG", "3": "WRONG"}
    (result,) = post(client, "/v1/translate", text="I am {name}, 3.", source="en", target="de", glossary=glossary)
    assert "WRONG" not in result["translation"]
    assert "{name}" in result["translation"]


@pytest.mark.parametrize(
    "glossary", [{"": "x"}, {"x": " "}, {"x" * 201: "y"}, {str(number): "x" for number in range(101)}, {"x": 1}]
)
def test_a_bad_glossary_is_refused(client: httpx.Client, glossary: dict[str, Any]) -> None:
    reply = client.post("/v1/translate", json={"text": "Hello.", "target": "de", "glossary": glossary})
    assert reply.status_code == 422
    assert "glossary" in reply.text


def test_explained(client: httpx.Client) -> None:
    (result,) = post(client, "/v1/translate", text="Tom is here. I see {x}.", source="en", target="de", explain=True)
    assert len(result["alignment"]) >= 2
    for own in result["alignment"]:
        assert len(own["weights"]) == len(own["target"])
        assert all(len(row) == len(own["source"]) and sum(row) < 1.01 for row in own["weights"])
    first = result["alignment"][0]
    assert max(zip(first["weights"][0], first["source"], strict=True))[1] == "Tom"


def test_layout(client: httpx.Client) -> None:
    text = (
        "# Good morning\r\n\r\n  - I am here.\r\n  - You are there. And he?\r\n\r\n> Yes.\r\n\r\n```\ncode = 1\n```\n"
    )
    (result,) = post(client, "/v1/translate", text=text, source="en", target="de")
    pattern = r"# \S[^\r\n]*\r\n\r\n  - \S[^\r\n]*\r\n  - \S[^\r\n]*\r\n\r\n> \S[^\r\n]*\r\n\r\n```\ncode = 1\n```\n"
    assert re.fullmatch(pattern, result["translation"])


def test_tags_around_a_plain_text_stay_around_it(client: httpx.Client) -> None:
    for before, text, after in (("<i>", "Here.", "</i>"), ("<i><b>", "Good morning.", "</b></i>")):
        (result,) = post(client, "/v1/translate", text=before + text + after, source="en", target="de")
        assert re.fullmatch(f"{before}[^<>]+{after}", result["translation"])

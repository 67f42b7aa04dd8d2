import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest

from rondo_services.errors import InvalidInput
from rondo_services.evaluation.pages import CONTENT_SECURITY_POLICY, render_html

_VOID = {"meta", "link", "br", "img", "input", "hr"}
_LOADING = ("src", "srcset", "href", "xlink:href", "data", "poster", "action", "background")


class Tree(HTMLParser):
    """Elements with their attributes, and text; raises if a tag is left open or closed that is not open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice: {attrs}"
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert "svg" in self._open, f"<{tag}/> closes nothing in HTML"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All words, with single spaces."""
        return " ".join("".join(self.texts).split())

    def with_class(self, name: str) -> list[dict[str, str | None]]:
        """Attributes of the elements of a class."""
        return [attributes for _, attributes in self.elements if name in (attributes.get("class") or "").split()]


def test_every_sample_is_a_well_formed_page(any_report: dict[str, Any]) -> None:
    page = render_html(any_report)
    tree = Tree(page)
    assert page.startswith("<!DOCTYPE html>")
    names = [tag for tag, _ in tree.elements]
    assert names.count("html") == names.count("main") == names.count("h1") == names.count("title") - _titles(tree) == 1
    ids = [attributes["id"] for _, attributes in tree.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert not re.search(r"\b(None|nan|Undefined)\b", page)


def _titles(tree: Tree) -> int:
    """Titles within drawings."""
    return sum(tag == "title" for tag, _ in tree.elements) - 1


def test_nothing_is_loaded_and_nothing_runs(any_report: dict[str, Any]) -> None:
    page = render_html(any_report)
    tree = Tree(page)
    for tag, attributes in tree.elements:
        assert tag not in ("script", "iframe", "object", "embed", "base", "form", "img")
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name != "style", "the policy refuses styles of single elements"
            assert name not in _LOADING or (value or "").startswith(("data:", "#"))
    style = _style(page)
    assert "url(" not in style
    assert "@import" not in style


def _style(page: str) -> str:
    found = re.search("<style>(.*?)</style>", page, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_policy_allows_exactly_the_style_that_is_there(sample: Callable[[str], dict[str, Any]]) -> None:
    page = render_html(sample("translation"))
    digest = b64encode(sha256(_style(page).encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in CONTENT_SECURITY_POLICY
    policies = [a["content"] for _, a in Tree(page).elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [CONTENT_SECURITY_POLICY]
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'")


def test_hostile_words_are_shown_and_do_nothing(sample: Callable[[str], dict[str, Any]]) -> None:
    page = render_html(sample("hostile"))
    text = Tree(page).text
    assert "<script>alert(1)</script> \"'&amp; </style></svg>-->{{ 7*7 }}" in text
    assert "⟦U+202E⟧evil⟦U+202C⟧" in text
    assert "⟦U+D800⟧" in text
    assert "한국어 👩‍👩‍👧‍👦" in text
    assert not re.search("[\x00\x1b\u202e\ud800]", page)
    assert page.encode()


def test_the_headline_says_what_was_measured_on_what(sample: Callable[[str], dict[str, Any]]) -> None:
    text = Tree(render_html(sample("translation"))).text
    assert "Translation, English → German" in text
    assert "BLEU 44.7 (95 % interval 40.6–48.3) on 300 texts of tatoeba-en-de/dev, by tiny 0.1.0. " in text
    assert "Best baseline: dictionary with 17.2." in text


def test_of_perplexities_the_lowest_baseline_is_the_best(sample: Callable[[str], dict[str, Any]]) -> None:
    report = sample("perplexity")
    report["baselines"]["unigrams"] = {"word_perplexity": 900.0}
    assert "Best baseline: interpolated-kneser-ney-5 with 223.7." in Tree(render_html(report)).text


def test_whiskers_are_there_only_with_intervals(sample: Callable[[str], dict[str, Any]]) -> None:
    assert len(Tree(render_html(sample("summarization"))).with_class("whisker")) == 3  # a line and its two ends
    assert not Tree(render_html(sample("old"))).with_class("whisker")


def test_differing_words_are_marked_against_the_nearest_reference(sample: Callable[[str], dict[str, Any]]) -> None:
    page = render_html(sample("translation"))
    assert 'lang="de">Nimm uns mit.</div>' in page
    assert 'Bring <mark class="missing">uns</mark> hin<mark class="missing">.</mark>' in page
    assert 'Bring <mark class="extra">mich</mark> hin<mark class="extra">!</mark>' in page


def test_labels_are_not_compared_by_words(sample: Callable[[str], dict[str, Any]]) -> None:
    page = render_html(sample("sentiment"))
    assert not Tree(page).with_class("extra")
    assert "expected <b>negative</b>, answered <b>positive</b>" in page


def test_long_texts_are_folded_but_whole(sample: Callable[[str], dict[str, Any]]) -> None:
    page = render_html(sample("summarization"))
    assert "all 1,300 characters" in page
    assert ("A long text. " * 100).strip() in Tree(page).text


def test_the_confusion_has_recall_precision_and_shades(sample: Callable[[str], dict[str, Any]]) -> None:
    tree = Tree(render_html(sample("sentiment")))
    assert "13086.7\u202f%2013.3\u202f%86.7\u202f%".replace("\u202f", " ") in tree.text.replace("\u202f", " ")
    assert len(tree.with_class("right")) == 2
    assert len(tree.with_class("h9")) == 2  # 87 % and 85 %


def test_attention_is_drawn_with_a_cell_for_each_weight(sample: Callable[[str], dict[str, Any]]) -> None:
    tree = Tree(render_html(sample("translation")))
    assert [cell["fill-opacity"] for cell in tree.with_class("heat")] == ["1.0", "0.11", "0.22", "0.89"]
    assert "▁Nimm ← ▁Take: 0.90" in tree.text


def test_unknown_entries_are_shown_too(sample: Callable[[str], dict[str, Any]]) -> None:
    report = sample("translation") | {"colour": {"deep": "blue"}}
    report["metrics"]["per_label"] = {"good": {"recall": 12.5}}
    text = Tree(render_html(report)).text
    assert "colour · deepblue" in text.replace("deep blue", "deepblue")
    assert "per label · good · recall" in text


def test_what_is_no_report_is_refused() -> None:
    with pytest.raises(InvalidInput, match="task"):
        render_html({"metrics": {}})
    with pytest.raises(InvalidInput, match=r"intervals\.bleu"):
        render_html({"task": "translation", "intervals": {"bleu": [1, 2, 3]}})
    with pytest.raises(InvalidInput, match="an object"):
        render_html([])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "title"),
    [
        ({"source": "auto", "target": "de"}, "Translation to German"),
        ({"source": "fr", "target": "ko"}, "Translation, French → Korean"),
        ({"source": "es", "target": "ko"}, "Translation, es → Korean"),
        ({"source": "de", "target": "en"}, "Translation, German → English"),
        ({}, "Translation"),
    ],
)
def test_the_title_names_the_languages_that_are_known(settings: dict[str, str], title: str) -> None:
    assert f"<h1><bdi>{title}</bdi></h1>" in render_html({"task": "translation", "settings": settings})


def test_texts_that_were_not_measured_are_told(sample: Callable[[str], dict[str, Any]]) -> None:
    report = sample("translation")
    report["metrics"]["num_without_expected"] = 17
    text = Tree(render_html(report)).text
    assert "Not answered3 Texts without a reference17" in text
    assert "on 283 texts of tatoeba-en-de/dev" in text
    report["metrics"]["num_without_expected"] = report["num_errors"] = 0
    text = Tree(render_html(report)).text
    assert "without a reference" not in text
    assert "Not answered" not in text


def test_texts_that_were_only_scored_have_no_answer(sample: Callable[[str], dict[str, Any]]) -> None:
    """Each was said to be answered with nothing."""
    text = Tree(render_html(sample("perplexity"))).text
    assert "Aether anon" in text
    assert "Answer" not in text
    assert "AnswerBring mich hin!" in Tree(render_html(sample("translation"))).text.replace("Answer ", "Answer")


def test_what_is_undefined_is_no_headline(sample: Callable[[str], dict[str, Any]]) -> None:
    page = render_html(sample("nulls"))
    assert not Tree(page).with_class("headline")
    assert "<title>Sentiment</title>" in page


def test_whiskers_are_explained_where_there_are_some(sample: Callable[[str], dict[str, Any]]) -> None:
    report = sample("translation")
    assert Tree(render_html(report)).text.count("Whiskers are") == 2
    for group in report["breakdowns"]["length"]:
        group["intervals"] = {}
    assert "Whiskers are" not in Tree(render_html({**report, "intervals": {}})).text


def test_notes_say_how_intervals_are_to_be_read(sample: Callable[[str], dict[str, Any]]) -> None:
    report = sample("sentiment")
    assert "calibration error of a resample" not in render_html(report)
    report["intervals"]["ece"] = [3.0, 5.0]
    assert "calibration error of a resample is mostly higher" in render_html(report)
    assert "Distinct-n has no interval" not in render_html(report)
    assert "Distinct-n has no interval" in render_html({**sample("generation"), "intervals": {"repetition": [1, 2]}})


def test_the_time_of_a_chunk_is_told_to_be_waiting(sample: Callable[[str], dict[str, Any]]) -> None:
    text = Tree(render_html(sample("translation"))).text
    assert "Texts in a chunk256" in text
    assert "A chunk with its waiting, median0.3 s" in text
    assert "Many chunks are answered at once" in text
    running = Tree(render_html(sample("perplexity"))).text
    assert "Source tokens a second20,000" in running
    assert "Many chunks" not in running


def test_a_breakdown_into_one_group_is_only_named(sample: Callable[[str], dict[str, Any]]) -> None:
    text = Tree(render_html(sample("sentiment"))).text
    assert "LanguageKorean" in text
    assert "By language" not in text

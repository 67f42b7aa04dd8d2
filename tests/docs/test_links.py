"""Every relative link of the documentation leads somewhere, to the heading too."""

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from tests.docs.pages import PAGES, ROOT, headings, links


def anchors(text: str) -> set[str]:
    """As GitHub makes them of the headings."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    for heading in headings(text):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def broken(page: Path) -> list[str]:
    """Its relative links that lead nowhere, each with the reason."""
    reasons = []
    for link in links(page.read_text(encoding="utf-8")):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if not target.exists():
            reasons.append(f"{link}: no such file")
        elif not target.is_relative_to(ROOT):
            reasons.append(f"{link}: outside of the repository")
        elif parts.fragment and unquote(parts.fragment) not in anchors(target.read_text(encoding="utf-8")):
            reasons.append(f"{link}: no such heading")
    return reasons


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_broken_link_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.docs.test_links.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two`, three\n[a](gone.md) [b](#one-two-three) [c](#four) [d](/etc/passwd) [e](https://x.example/y)\n"
        "\n`[f](no-link.md)`\n\n```sh\n[g](no-link.md)\n```\n\n| a |\n|---|\n| ![h](gone.svg) |\n"
    )
    assert broken(page) == [
        "gone.md: no such file",
        "#four: no such heading",
        "/etc/passwd: outside of the repository",
        "gone.svg: no such file",
    ]


def test_equal_headings_are_numbered() -> None:
    assert anchors("# A b\n## A b\n### A-b, `c`!\n") == {"a-b", "a-b-1", "a-b-c"}

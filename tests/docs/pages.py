"""The pages of the documentation, and what stands in them."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
_HIDDEN = (".", "build", "dist", "results", "runs", "node_modules")

PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(_HIDDEN) for part in path.relative_to(ROOT).parts[:-1])
)
_DATED = {ROOT / "CHANGELOG.md", ROOT / "docs" / "log.md"}
CURRENT_PAGES = [page for page in PAGES if page not in _DATED]
"""Those that tell what is, not what was."""

_PARSER = MarkdownIt("commonmark").enable("table")


def _tokens(text: str) -> Iterator[Token]:
    for token in _PARSER.parse(text):
        yield token
        yield from token.children or ()


def links(text: str) -> list[str]:
    """Where links and images lead."""
    kinds = {"link_open": "href", "image": "src"}
    return [str(token.attrs[kinds[token.type]]) for token in _tokens(text) if token.type in kinds]


def headings(text: str) -> list[str]:
    """Their texts, without marks."""
    found, tokens = [], _PARSER.parse(text)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            found.append("".join(part.content for part in inline.children or ()))
    return found


def code(text: str) -> list[str]:
    """What stands in code: spans, and fenced blocks with continued lines joined."""
    found = []
    for token in _tokens(text):
        if token.type == "code_inline":
            found.append(token.content)
        elif token.type == "fence":
            found += token.content.replace("\\\n", " ").splitlines()
    return found

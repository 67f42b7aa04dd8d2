"""Writes both pages beside the report that they show."""

import json
from pathlib import Path

from ...errors import InvalidInput
from .html import render_html
from .markdown import render_markdown

PAGES = {"report.html": render_html, "report.md": render_markdown}
"""What makes each."""


def write_pages(folder: Path) -> None:
    """Read `report.json` in a folder; write `report.html` and `report.md` beside it.

    Raises:
        InvalidInput: there is no report, or it is none that can be shown; then nothing is written.
    """
    path = folder / "report.json"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInput(f"there is no {path}; rondo evaluate writes one") from None
    except ValueError as error:
        raise InvalidInput(f"{path} is not JSON: {error}") from error
    pages = {name: render(report) for name, render in PAGES.items()}
    for name, page in pages.items():
        (folder / name).write_text(page, encoding="utf-8")

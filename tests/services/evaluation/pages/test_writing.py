import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rondo_services.errors import InvalidInput
from rondo_services.evaluation.pages import render_html, render_markdown, write_pages


def test_both_pages_are_written_beside_the_report(tmp_path: Path, any_report: dict[str, Any]) -> None:
    (tmp_path / "report.json").write_text(json.dumps(any_report), encoding="utf-8")
    write_pages(tmp_path)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render_html(any_report)
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == render_markdown(any_report)


def test_a_second_time_they_are_replaced(tmp_path: Path, sample: Callable[[str], dict[str, Any]]) -> None:
    for name in ("summarization", "sentiment"):
        (tmp_path / "report.json").write_text(json.dumps(sample(name)), encoding="utf-8")
        write_pages(tmp_path)
    assert "Summarization" not in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "there is no"), ("{", "not JSON"), ("[]", "an object"), ('{"task": 5}', "task"), ("\ufeff{}", "not JSON")],
)
def test_without_a_report_nothing_is_written(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "report.json").write_text(content, encoding="utf-8")
    with pytest.raises(InvalidInput, match=message):
        write_pages(tmp_path)
    assert not list(tmp_path.glob("report.[hm]*"))

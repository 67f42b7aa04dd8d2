"""Shows a `report.json` to people: one self-contained HTML page, and Markdown for a README or a pull request.

Knows no model and measures nothing: whatever a report lacks, as older ones do, its pages leave out.
"""

from .html import CONTENT_SECURITY_POLICY, render_html
from .markdown import render_markdown
from .writing import write_pages

__all__ = ["CONTENT_SECURITY_POLICY", "render_html", "render_markdown", "write_pages"]

"""The HTML page: one file, no script, nothing that is loaded, and a policy in it that would refuse both."""

from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from .page import page_of
from .reading import read

_STYLE = (files(__package__) / "templates" / "report.css").read_text(encoding="utf-8")
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; form-action 'none'"
)
"""What a page needs of its browser; a server that sends pages with a stricter one sends them without their style."""


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_html(report: Mapping[str, Any]) -> str:
    """A page for browsers, paper and phones, from a report as `report.json` has it, of this version or an older one.

    Raises:
        InvalidInput: it is no report, or a part of it is not what parts of that name are.
    """
    page = page_of(read(report))
    template = _environment().get_template("report.html")
    return template.render(page=page, style=_STYLE, policy=CONTENT_SECURITY_POLICY)

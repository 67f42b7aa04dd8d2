"""HTML pages and fragments: what is not text stays as it was written, to the byte."""

import re
from collections.abc import Sequence

from rondo_tokenizers.markup import Unit, read_markup

from ..errors import InvalidInput
from .document import LONGEST_PASSAGE, Passage
from .encoding import Encoding, decode

_DECLARED = re.compile(rb"""<meta[^>]{1,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]+)""", re.IGNORECASE)
_LOOKED_AT = 4096


class Page:
    """A .html file."""

    def __init__(self, parts: Sequence[str | Unit], encoding: Encoding) -> None:
        self._parts = parts
        self._encoding = encoding
        self.passages = [Passage(part.raw, "html") for part in parts if isinstance(part, Unit)]

    def written(self, translations: Sequence[str]) -> bytes:
        """As `Document.written`."""
        if len(translations) != len(self.passages):
            raise ValueError(f"{len(translations)} translations of {len(self.passages)} passages")
        given = iter(translations)
        return self._encoding.encode("".join(part if isinstance(part, str) else next(given) for part in self._parts))


def read_page(data: bytes) -> Page:
    """Read a .html file.

    Raises:
        InvalidInput: it declares another encoding than UTF-8, or a paragraph is too long; or as `decode` does.
    """
    text, encoding = decode(data)
    declared = _DECLARED.search(data[:_LOOKED_AT])
    if declared is not None and (name := declared[1].decode().lower()) not in ("utf-8", "utf8"):
        raise InvalidInput(f"the page declares the encoding {name}; save it as UTF-8, and declare that", field="file")
    page = Page(read_markup(text), encoding)
    if any(len(passage.text) > LONGEST_PASSAGE for passage in page.passages):
        raise InvalidInput(f"a paragraph of the page is longer than {LONGEST_PASSAGE} characters", field="file")
    return page

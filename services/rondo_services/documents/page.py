"""HTML pages and fragments: what is not text stays as it was written, to the byte."""

import re
from collections.abc import Sequence

from rondo_tokenizers.markup import Unit, read_markup

from ..errors import InvalidInput
from ..schema import LONGEST_TEXT
from .document import LONGEST_PASSAGE, Passage, check_count
from .encoding import Encoding, decode
from .long_tags import Shortened, shortened

MOST_MARKS = 300_000
"""Of `<` and `&`: for each some hundred bytes are held while a page is read."""

_HIDDEN = re.compile(rb"<!--(?:-?>|.*?(?:-->|\Z))|<(script|style|title|textarea)\b.*?(?:</\1|\Z)", re.DOTALL | re.I)
"""In which no element begins."""

_META = re.compile(rb"""<meta[\s/]((?:[^>"']|"[^"]*"|'[^']*')*+)""", re.IGNORECASE)
_ATTRIBUTE = re.compile(rb"""([^\s/>="']+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))""")
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([^\s"';]+)""", re.IGNORECASE)
_NAME = re.compile(rb"[A-Za-z0-9_:.-]+")
_LOOKED_AT = 4096


class Page:
    """A .html file."""

    def __init__(self, parts: Sequence[str | Shortened], encoding: Encoding) -> None:
        self._parts = parts
        self._encoding = encoding
        self.passages = [Passage(part.text, "html") for part in parts if isinstance(part, Shortened)]

    def written(self, translations: Sequence[str]) -> bytes:
        """As `Document.written`."""
        if len(translations) != len(self.passages):
            raise ValueError(f"{len(translations)} translations of {len(self.passages)} passages")
        given = iter(translations)
        texts = (part if isinstance(part, str) else part.restored(next(given)) for part in self._parts)
        return self._encoding.encode("".join(texts))


def read_page(data: bytes) -> Page:
    """Read a .html file.

    Raises:
        InvalidInput: it declares another encoding than UTF-8, has too many tags, or a paragraph has too much text; or
            as `decode` does.
    """
    text, encoding = decode(data)
    name = None if encoding.mark else _declared_encoding(data[:_LOOKED_AT])  # the mark counts for more
    if name not in (None, "utf-8", "utf8"):
        raise InvalidInput(f"the page declares the encoding {name}; save it as UTF-8, and declare that", field="file")
    check_count(text.count("<") + text.count("&"), MOST_MARKS, "tags and character references")
    return Page([part if isinstance(part, str) else _checked(part) for part in read_markup(text)], encoding)


def _checked(unit: Unit) -> Shortened:
    """A paragraph, if it is not too long; not its tags count, which may hold whole images, but its text."""
    own = shortened(unit)
    if len(unit.text) > LONGEST_PASSAGE or len(own.text) > LONGEST_TEXT:
        limits = f"{LONGEST_PASSAGE} characters of text, or {LONGEST_TEXT} with its tags"
        raise InvalidInput(f"a paragraph of the page has more than {limits}", field="file")
    return own


def _declared_encoding(head: bytes) -> str | None:
    """What the first `<meta>` that names an encoding says, of those that are elements."""
    for meta in _META.finditer(_HIDDEN.sub(b" ", head)):
        attributes: dict[bytes, bytes] = {}
        for own in _ATTRIBUTE.finditer(meta[1]):
            attributes.setdefault(own[1].lower(), own[2] or own[3] or own[4] or b"")
        name = attributes.get(b"charset", b"").strip()
        if not name and attributes.get(b"http-equiv", b"").strip().lower() == b"content-type":
            charset = _CHARSET.search(attributes.get(b"content", b""))
            name = b"" if charset is None else charset[1]
        if _NAME.fullmatch(name):
            return name.decode().lower()
    return None

"""A paragraph of WordprocessingML ↔ text with inline tags.

Most of a paragraph's text is formatted alike, and that has no tag. What is formatted otherwise, and what encloses
text, as a link does, is between `<g>` and `</g>`. `<x/>` stands for whatever is no text, `<br/>` for a line break and
`<hr/>` for a tab or a page break, over which no sentence goes on. What is read as a word of the sentence, but stays as
it is, as the number of a page does, is an `<x translate="no"></x>`. Each tag has a number as its `id`.
"""

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise

from docx.oxml.ns import qn
from docx.oxml.parser import OxmlElement
from lxml import etree

from .fields import Element, OpenFields, begins_field

_CONTAINERS = frozenset(
    map(
        qn, ("w:hyperlink", "w:ins", "w:moveTo", "w:smartTag", "w:customXml", "w:sdt", "w:sdtContent", "w:bdo", "w:dir")
    )
)
_FIXED = frozenset(map(qn, ("w:pPr", "w:sdtPr", "w:sdtEndPr", "w:smartTagPr", "w:customXmlPr")))
"""They come first, and stay."""

_DROPPED = frozenset(map(qn, ("w:proofErr", "w:lastRenderedPageBreak", "w:softHyphen")))
"""They are about the old text."""

_WORDS = frozenset(map(qn, ("w:t", "m:t")))
"""In which a field, or a formula, has what is seen of it."""

_WORDLIKE = frozenset(map(qn, ("w:fldSimple", "m:oMath")))

_NOT_SEEN = frozenset(map(qn, ("w:lang", "w:noProof")))
"""Properties of a run that don't change its looks."""

_TAG = re.compile(r"(<[^<>]*>)")
_NUMBER = re.compile(r'id="(\d+)"')
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class _Text:
    """Text, with the properties of its run."""

    text: str
    properties: Element | None
    looks: bytes


@dataclass(slots=True)
class _Object:
    """Elements that are no text; `tag` stands for them. What was in a run gets a run of its own.

    Attributes:
        is_word: whether it is read as a word of the sentence.
        space_follows: whether a text that begins with white space comes next.
    """

    tag: str
    elements: list[Element]
    in_run: bool = False
    properties: Element | None = None
    is_word: bool = False
    space_follows: bool = False


@dataclass(slots=True)
class _Container:
    """An element around text; most of it has these properties."""

    element: Element
    items: list["_Text | _Object | _Container"]
    properties: Element | None = None
    looks: bytes = b""


@dataclass(slots=True)
class InlineText:
    """A paragraph.

    Attributes:
        markup: its text with tags.
    """

    markup: str
    _whole: _Container
    _tagged: Sequence[_Text | _Object | _Container] = field(repr=False)

    @property
    def says_something(self) -> bool:
        """Whether there is a letter in it."""
        return any(character.isalpha() for character in html.unescape(_TAG.sub("", self.markup)))

    def write(self, markup: str) -> None:
        """Put other text, with the same tags, in its place.

        Raises:
            ValueError: the tags are not the same.
        """
        parts = [part for part in _TAG.split(markup) if part]
        numbers = sorted(int(number) for part in parts if part[0] == "<" for number in _NUMBER.findall(part))
        if numbers != list(range(len(self._tagged))):
            raise ValueError("a translation has not the tags of its source")
        _build(self._whole, iter(parts), self._tagged)


def read_inline(paragraph: Element, num_open_fields: int = 0) -> InlineText:
    """What a `w:p` says that begins in so many fields."""
    whole = _container(paragraph, OpenFields(num_open_fields))
    tagged: list[_Text | _Object | _Container] = []
    return InlineText("".join(_markup(whole, tagged)), whole, tagged)


def _container(element: Element, fields: OpenFields) -> _Container:
    container = _Container(element, list(_merged(_items(element, fields))))
    for item, following in pairwise(container.items):
        if isinstance(item, _Object) and isinstance(following, _Text):
            item.space_follows = following.text[:1].isspace()
    sizes: Counter[bytes] = Counter()
    texts = {item.looks: item for item in container.items if isinstance(item, _Text)}
    for item in container.items:
        if isinstance(item, _Text):
            sizes[item.looks] += len(item.text)
    if sizes:
        container.looks = max(sizes, key=sizes.__getitem__)
        container.properties = texts[container.looks].properties
    return container


def _items(parent: Element, fields: OpenFields) -> Iterator[_Text | _Object | _Container]:
    """What is in an element. A field, from its first to its last character here, is one object."""
    parts: list[Element] = []
    for child in parent:
        if child.tag in _FIXED:
            continue
        if fields.depth or (child.tag == qn("w:r") and begins_field(child)):
            parts.append(child)
            fields.take(child)
            if not fields.depth:
                yield _Object("x", parts, is_word=_has_words(parts))
                parts = []
        elif child.tag in _DROPPED:
            continue
        elif child.tag == qn("w:r"):
            yield from _of_run(child)
        elif child.tag in _CONTAINERS:
            yield _container(child, fields)
        else:
            is_word = child.tag in _WORDLIKE and _has_words([child])
            yield _Object("x", [child], is_word=is_word)
    if parts:
        yield _Object("x", parts, is_word=_has_words(parts))


def _has_words(elements: Iterable[Element]) -> bool:
    return any((text.text or "").strip() for element in elements for text in element.iter(*_WORDS))


def _of_run(run: Element) -> Iterator[_Text | _Object]:
    properties = run.find(qn("w:rPr"))
    looks = _looks(properties)
    for child in run:
        if child.tag == qn("w:rPr") or child.tag in _DROPPED:
            continue
        if child.tag == qn("w:t"):
            yield _Text(child.text or "", properties, looks)
        elif child.tag == qn("w:noBreakHyphen"):
            yield _Text("\u2011", properties, looks)
        else:
            yield _Object(_tag_of(child), [child], in_run=True, properties=properties)


def _tag_of(element: Element) -> str:
    if element.tag in (qn("w:tab"), qn("w:ptab")):
        return "hr"
    if element.tag in (qn("w:br"), qn("w:cr")):
        return "br" if element.get(qn("w:type"), "textWrapping") == "textWrapping" else "hr"
    return "x"


def _looks(properties: Element | None) -> bytes:
    """The same for properties that look the same."""
    if properties is None:
        return b""
    return b"".join(sorted(etree.tostring(own, method="c14n") for own in properties if own.tag not in _NOT_SEEN))


def _run(properties: Element | None, child: Element) -> Element:
    run = OxmlElement("w:r")
    if properties is not None:
        run.append(deepcopy(properties))
    run.append(child)
    return run


def _merged(items: Iterable[_Text | _Object | _Container]) -> Iterator[_Text | _Object | _Container]:
    """The same, with texts joined that follow each other and look alike."""
    last: _Text | None = None
    for item in items:
        if isinstance(item, _Text) and last is not None and last.looks == item.looks:
            last.text += item.text
            continue
        last = item if isinstance(item, _Text) else None
        yield item


def _markup(container: _Container, tagged: list[_Text | _Object | _Container]) -> Iterator[str]:
    for item in container.items:
        if isinstance(item, _Text) and item.looks == container.looks:
            yield html.escape(item.text, quote=False)
            continue
        number = len(tagged)
        tagged.append(item)
        if isinstance(item, _Object):
            yield f'<x id="{number}" translate="no"></x>' if item.is_word else f'<{item.tag} id="{number}"/>'
            continue
        yield f'<g id="{number}">'
        if isinstance(item, _Text):
            yield html.escape(item.text, quote=False)
        else:
            yield from _markup(item, tagged)
        yield "</g>"


def _build(container: _Container, parts: Iterator[str], tagged: Sequence[_Text | _Object | _Container]) -> None:
    """Fill the container with the parts up to its end tag."""
    for child in [child for child in container.element if child.tag not in _FIXED]:
        container.element.remove(child)
    _fill(container.element, container.properties, parts, tagged)


def _fill(
    parent: Element,
    properties: Element | None,
    parts: Iterator[str],
    tagged: Sequence[_Text | _Object | _Container],
) -> None:
    begins_line = False
    for part in parts:
        if part == "</g>":
            return
        if part == "</x>":
            continue
        if part[0] != "<":
            words = part.lstrip(" ") if begins_line else part  # in HTML a space after a line break is not seen
            if words:
                text = OxmlElement("w:t")
                text.text = _NOT_XML.sub("", html.unescape(words))
                text.set(qn("xml:space"), "preserve")
                parent.append(_run(properties, text))
            begins_line = False
            continue
        number = _NUMBER.search(part)
        assert number is not None  # `write` has counted them
        item = tagged[int(number[1])]
        begins_line = isinstance(item, _Object) and item.tag == "br" and not item.space_follows
        if isinstance(item, _Object):
            parent.extend([_run(item.properties, own) for own in item.elements] if item.in_run else item.elements)
        elif isinstance(item, _Text):
            _fill(parent, item.properties, parts, tagged)
        else:
            parent.append(item.element)
            _build(item, parts, tagged)

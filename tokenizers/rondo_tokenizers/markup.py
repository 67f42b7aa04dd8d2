"""HTML as raw slices: what is text to translate, and everything else, which stays as it was written.

The slices, joined, are the input byte for byte, however broken it is. The standard library's parser is not used: it
takes time that grows with the square of some inputs (200 kB of `<!--`: 15 s), and raises on others. Nothing is known
here of translation; `placing.py` puts tags into a translated text.
"""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from .protected import OBJECT


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


_BLOCKS = _names(
    """address article aside audio blockquote body canvas caption center col colgroup dd details dialog dir div dl dt
    fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe legend
    li link main map math menu meta nav noframes noscript object ol optgroup option p param pre script search section
    select source style summary svg table tbody td template textarea tfoot th thead title tr track ul video"""
)
"""Elements between which sentences end; all others are part of a sentence."""

_VOID = _names("area base br col embed frame hr img input link meta param source track wbr")
_RAW_TEXT = _names("script style textarea title xmp iframe noembed noframes")
_UNTRANSLATED = _names("code pre script style kbd samp var textarea svg math xmp iframe noembed noframes")
_FOREIGN = _names("svg math")
"""In them and of them, a tag that ends in `/>` has no content."""

_ENDED_BY = {
    "p": frozenset(_BLOCKS - {"audio", "canvas", "map", "object", "video", "noscript", "script", "style", "template"}),
    "li": frozenset({"li"}),
    "dt": frozenset({"dt", "dd"}),
    "dd": frozenset({"dt", "dd"}),
    "tr": frozenset({"tr", "tbody", "tfoot"}),
    "td": frozenset({"td", "th", "tr", "tbody", "tfoot"}),
    "th": frozenset({"td", "th", "tr", "tbody", "tfoot"}),
    "option": frozenset({"option", "optgroup"}),
}
"""Elements that may lack their end tag, and the start tags that end them."""

_SCOPES = _names("ul ol dl table select div section article body html blockquote")
"""Beyond which a start tag ends nothing."""

_SLICE = re.compile(
    r"""
    (?P<comment><!--(?:(?:-?>)|.*?(?:--!?>|\Z)) | <[!?][^>]*+(?:>|\Z) | </(?![A-Za-z])[^>]++(?:>|\Z))
  | <(?P<slash>/?)(?P<name>[A-Za-z][^\s/>]*+)
        (?P<attributes>(?:[^\s/>=][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|[^\s>"'][^\s>]*+)?)?+|[\s/=]++)*+)
        (?:>|\Z)
  | (?P<reference>&(?:[A-Za-z][A-Za-z0-9]{1,31}|\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6});)
  | (?P<text>[^<&]++|[<&])
    """,
    re.VERBOSE | re.DOTALL,
)
_ATTRIBUTE = re.compile(
    r"""([^\s/>=]+)(?:\s*+=\s*+(?:"([^"]*+)"?|'([^']*+)'?|([^\s>]*+)))?""",
)
_REFERENCE = re.compile(r"(&(?:[A-Za-z][A-Za-z0-9]{1,31}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});)")
_LETTER = re.compile(r"[^\W\d_]")
_DEEPEST = 64
"""Open elements that are looked through for the one that a tag ends, and pairs of tags in each other in a unit."""
_MOST_TAGS = 200
"""In one unit. Without this and the other limit time would grow with the input's square."""

_BREAK = re.compile(r"<br(?![^\s/>])", re.IGNORECASE)

Kind = Literal["text", "start", "end", "point", "break"]
Kept = Literal["no", "inline", "block"]
"""Whether something is to be left as it is, and if so, whether the element that says so is part of a sentence."""


@dataclass(frozen=True, slots=True)
class _Slice:
    """A part of the input: its `text` as a reader sees it, or the `name` of its tag."""

    raw: str
    kind: Kind
    kept: Kept
    text: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag inside of a unit, or a pair of tags.

    Attributes:
        begin, end: characters of the unit's text that are between the two.
        closing: empty for a tag, or a comment, that stands for itself.
        parent: number of the pair of tags that it is in; -1 for none.
    """

    begin: int
    end: int
    opening: str
    closing: str
    parent: int


@dataclass(frozen=True, slots=True)
class Unit:
    """Text between two block boundaries.

    Attributes:
        raw: as it was written.
        text: as a reader sees it; what is not to be translated is an `OBJECT`.
        objects: as each `OBJECT` was written.
        tags: in their order; they are properly nested.
        references: how characters were written that always came as a reference.
        bare: of `&`, `<` and `>` those that were also written as they are.
    """

    raw: str
    text: str
    objects: tuple[str, ...]
    tags: tuple[Tag, ...]
    references: Mapping[str, str]
    bare: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Open:
    """An element that is open: its name, whether what is in it is left as it is, and whether that is SVG or MathML."""

    name: str
    kept: Kept
    foreign: bool


@dataclass(slots=True)
class _OpenElements:
    """The elements that are open where the reader is.

    Attributes:
        kept_from: place of the outermost that is left as it is; None outside of such.
    """

    elements: list[_Open] = field(default_factory=list)
    kept_from: int | None = None

    @property
    def kept(self) -> Kept:
        return self.elements[-1].kept if self.elements else "no"

    @property
    def foreign(self) -> bool:
        return bool(self.elements) and self.elements[-1].foreign

    def is_empty(self, name: str, raw: str) -> bool:
        """Whether the element of a start tag has no content."""
        return name in _VOID or (raw.endswith("/>") and (name in _FOREIGN or self.foreign))

    def start(self, name: str, attributes: str, *, is_empty: bool) -> Kept:
        """Open an element, unless it has no content."""
        for depth in range(len(self.elements) - 1, max(-1, len(self.elements) - 1 - _DEEPEST), -1):
            opened = self.elements[depth].name
            if name in _ENDED_BY.get(opened, ()):
                self._close(depth)
                break
            if opened in _SCOPES:
                break
        kept, foreign = self.kept, self.foreign or name in _FOREIGN
        if name in _VOID:
            return kept
        if kept == "no" and (name in _UNTRANSLATED or _is_marked(attributes)):
            kept = "block" if name in _BLOCKS else "inline"
        if is_empty:
            return kept
        if kept != "no" and self.kept_from is None:
            self.kept_from = len(self.elements)
        self.elements.append(_Open(name, kept, foreign))
        return kept

    def end(self, name: str) -> None:
        """Close the innermost element of that name with all in it, if there is one not too deep in others.

        Of what is left as it is, the outermost can be closed from any depth, lest all that follows is left, too.
        """
        for depth in range(len(self.elements) - 1, max(-1, len(self.elements) - 1 - _DEEPEST), -1):
            if self.elements[depth].name == name:
                self._close(depth)
                return
        if self.kept_from is not None and self.elements[self.kept_from].name == name:
            self._close(self.kept_from)

    def _close(self, depth: int) -> None:
        del self.elements[depth:]
        if self.kept_from is not None and self.kept_from >= depth:
            self.kept_from = None


def _is_marked(attributes: str) -> bool:
    """Whether a start tag says that its element is not to be translated."""
    if "translate" not in attributes.lower():
        return False
    for match in _ATTRIBUTE.finditer(attributes):
        name, value = match[1].lower(), html.unescape(match[2] or match[3] or match[4] or "").lower()
        if (name == "translate" and value.strip() == "no") or (name == "class" and "notranslate" in value.split()):
            return True
    return False


def _slices(markup: str) -> Iterator[_Slice]:
    opened = _OpenElements()
    position = 0
    while position < len(markup):
        match = _SLICE.match(markup, position)
        assert match is not None  # any character is text
        raw, position = match[0], match.end()
        if match["comment"] is not None:
            yield _Slice(raw, "point" if raw.startswith("<!--") else "break", opened.kept)
        elif match["name"] is None:
            yield _Slice(raw, "text", opened.kept, raw if match["reference"] is None else html.unescape(raw))
        elif match["slash"]:
            name, kept = match["name"].lower(), opened.kept
            opened.end(name)
            yield _Slice(raw, "break" if name in _BLOCKS else "end", kept, name=name)
        else:
            name = match["name"].lower()
            is_empty = opened.is_empty(name, raw)
            kept = opened.start(name, match["attributes"], is_empty=is_empty)
            alone = name in _VOID or raw.endswith("/>")
            yield _Slice(raw, "break" if name in _BLOCKS else "point" if alone else "start", kept, name=name)
            if name in _RAW_TEXT and not is_empty:
                end = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(markup, position)
                stop = len(markup) if end is None else end.start()
                for part in _REFERENCE.split(markup[position:stop]):
                    if part:
                        yield _Slice(part, "text", opened.kept, html.unescape(part))
                position = stop


def _runs(slices: Sequence[_Slice]) -> Iterator[list[_Slice]]:
    """Slices that belong together; a block boundary is alone. Several line breaks in a row are one."""
    run: list[_Slice] = []
    num_tags = 0
    speaks = [i for i, own in enumerate(slices) if own.kind != "text" or own.text.strip()]
    breaks = [bool(_BREAK.match(slices[i].raw)) for i in speaks]
    doubled = {
        i
        for number, i in enumerate(speaks)
        if breaks[number] and (breaks[number - 1 : number] == [True] or breaks[number + 1 : number + 2] == [True])
    }
    for i, own in enumerate(slices):
        if own.kind != "text":
            num_tags += 1
            if num_tags > _MOST_TAGS and run and own.kept == "no":
                yield run
                run, num_tags = [], 0
        if own.kept == "inline" or (own.kept == "no" and own.kind != "break" and i not in doubled):
            run.append(own)
            continue
        if run:
            yield run
        run, num_tags = [], 0
        yield [own]
    if run:
        yield run


class _UnitBuilder:
    """Makes a unit of a run of slices."""

    def __init__(self) -> None:
        self.text = ""
        self.objects: list[str] = []
        self.tags: list[Tag] = []
        self.open: list[tuple[str, int]] = []  # name and number of the tag
        self.references: dict[str, str] = {}
        self.plain: set[str] = set()
        self.in_object = False

    def add(self, own: _Slice) -> None:
        if own.kept != "no":
            self._add_object(own.raw)
            return
        self.in_object = False
        if own.kind == "text":
            self._add_text(own)
        elif own.kind == "start" and len(self.open) < _DEEPEST:
            self.open.append((own.name, len(self.tags)))
            self._add_tag(own.raw)
        elif own.kind == "end" and any(name == own.name for name, _ in self.open):
            while self.open:
                name, number = self.open.pop()
                if name == own.name:
                    self.tags[number] = replace(self.tags[number], end=len(self.text), closing=own.raw)
                    break
        else:
            self._add_tag(own.raw)
            if _BREAK.match(own.raw) and not self.text[-1:].isspace():
                self.text += " "  # it ends a word

    def _add_object(self, raw: str) -> None:
        if self.in_object:
            self.objects[-1] += raw
        else:
            self.text += OBJECT
            self.objects.append(raw)
        self.in_object = True

    def _add_text(self, own: _Slice) -> None:
        if own.raw == own.text:
            self.plain.update(own.text)
        elif len(own.text) == 1:
            self.references.setdefault(own.text, own.raw)
        self.objects.extend([own.raw] if own.text == OBJECT else own.text.count(OBJECT) * [OBJECT])
        self.text += own.text

    def _add_tag(self, raw: str) -> None:
        self.tags.append(Tag(len(self.text), len(self.text), raw, "", self.open[-1][1] if self.open else -1))
        if self.open and self.open[-1][1] == len(self.tags) - 1:  # its own parent it is not
            parent = self.open[-2][1] if len(self.open) > 1 else -1
            self.tags[-1] = replace(self.tags[-1], parent=parent)

    def unit(self, raw: str) -> Unit:
        """All that was added; a tag without its counterpart stands for itself."""
        tags: list[Tag] = []
        for tag in self.tags:
            parent = tag.parent
            while parent >= 0 and not self.tags[parent].closing:
                parent = self.tags[parent].parent
            tags.append(replace(tag, parent=parent))
        references = {character: raw for character, raw in self.references.items() if character not in self.plain}
        bare = frozenset(self.plain & {"&", "<", ">"})
        return Unit(raw, self.text, tuple(self.objects), tuple(tags), references, bare)


def read_markup(markup: str) -> list[str | Unit]:
    """What is to be translated, as units, and all that is between them; joined, raw, they are `markup` again.

    Elements that are not translated: code, kbd, samp, var, pre, script, style, textarea, and all with
    `translate="no"` or the class `notranslate`. Inside of a sentence they are an `OBJECT` of its unit.
    """
    parts: list[str | Unit] = []
    for run in _runs(list(_slices(markup))):
        raw = "".join(own.raw for own in run)
        if any(own.kept == "no" and _LETTER.search(own.text) for own in run):
            builder = _UnitBuilder()
            for own in run:
                builder.add(own)
            parts.append(builder.unit(raw))
        elif parts and isinstance(parts[-1], str):
            parts[-1] += raw
        else:
            parts.append(raw)
    return parts

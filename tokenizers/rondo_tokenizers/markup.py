"""HTML as raw slices: what is text to translate, and everything else, which stays as it was written.

The slices, joined, are the input byte for byte, however broken it is. The standard library's parser is not used: it
takes time that grows with the square of some inputs (200 kB of `<!--`: 15 s), and raises on others. Nothing is known
here of translation; `placing.py` puts tags into a translated text.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Literal

from .protected import OBJECT


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


_BLOCKS = _names(
    """address article aside audio blockquote body button canvas caption center col colgroup datalist dd details dialog
    dir div dl dt fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html
    iframe label legend li link listing main map math menu meta nav noframes noscript object ol optgroup option p param
    pre script search section select source style summary svg table tbody td template textarea tfoot th thead title tr
    track ul video xmp"""
)
"""Elements between which sentences end; all others are part of a sentence."""

_VOID = _names("area base br col embed frame hr img input link meta param source track wbr")
_RAW_TEXT = _names("script style textarea title xmp iframe noembed noframes")
_UNTRANSLATED = _names("code pre script style kbd samp var textarea svg math xmp iframe noembed noframes")
_FOREIGN = _names("svg math")
"""In them and of them, a tag that ends in `/>` has no content."""

_ENDED_BY = {
    "p": _names(
        """address article aside blockquote center dd details dialog dir div dl dt fieldset figcaption figure footer
        form h1 h2 h3 h4 h5 h6 header hgroup hr li listing main menu nav ol p plaintext pre search section summary table
        ul xmp"""
    ),
    "li": _names("li"),
    "dt": _names("dt dd"),
    "dd": _names("dt dd"),
    "thead": _names("tbody tfoot"),
    "tbody": _names("tbody tfoot"),
    "tfoot": _names("tbody"),
    "tr": _names("tr tbody tfoot"),
    "td": _names("td th tr tbody tfoot"),
    "th": _names("td th tr tbody tfoot"),
    "option": _names("option optgroup hr"),
    "optgroup": _names("optgroup hr"),
}
"""Elements that may lack their end tag, and the start tags that end them, with what is still open in them, as the
standard has it: https://html.spec.whatwg.org/multipage/parsing.html.
"""

_SCOPES = _names(
    "ul ol dl table select div section article body html blockquote button object template caption fieldset details"
)
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
_BARE_VALUE = re.compile(r"[^\"'=]++=[^\"']++")
"""Of an attribute without quotes; a slash at its end is a part of it."""
_REFERENCE = re.compile(r"(&(?:[A-Za-z][A-Za-z0-9]{1,31}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});)")
_LETTER = re.compile(r"[^\W\d_]")
_DEEPEST = 64
"""Open elements that are looked through for the one that a tag ends, and pairs of tags in each other in a unit."""
_MOST_TAGS = 200
"""In one unit. Without this and the other limit time would grow with the input's square."""

_NOTHING: frozenset[str] = frozenset()
"""One for all: each other empty set would take three times as much as a short text."""

_BREAK = re.compile(r"<br(?![^\s/>])", re.IGNORECASE)
_BETWEEN_LINKS = re.compile(r"[\s|/·•›»>–—-]*")

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

    def is_empty(self, name: str, *, is_slashed: bool) -> bool:
        """Whether the element of a start tag has no content."""
        return name in _VOID or (is_slashed and (name in _FOREIGN or self.foreign))

    def start(self, name: str, attributes: str, *, is_empty: bool) -> Kept:
        """Open an element, unless it has no content."""
        ended = None
        for depth in range(len(self.elements) - 1, max(-1, len(self.elements) - 1 - _DEEPEST), -1):
            opened = self.elements[depth].name
            if name in _ENDED_BY.get(opened, ()):
                ended = depth
            if opened in _SCOPES:
                break
        if ended is not None:
            self._close(ended)
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
            is_slashed = raw.endswith("/>") and not _BARE_VALUE.fullmatch(match["attributes"].rsplit(None, 1)[-1])
            is_empty = opened.is_empty(name, is_slashed=is_slashed)
            kept = opened.start(name, match["attributes"], is_empty=is_empty)
            alone = name in _VOID or is_slashed
            yield _Slice(raw, "break" if name in _BLOCKS else "point" if alone else "start", kept, name=name)
            if name in _RAW_TEXT and not is_empty:
                end = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(markup, position)
                stop = len(markup) if end is None else end.start()
                for part in _REFERENCE.split(markup[position:stop]):
                    if part:
                        yield _Slice(part, "text", opened.kept, html.unescape(part))
                position = stop


def _with_doubled(slices: Iterable[_Slice]) -> Iterator[tuple[_Slice, bool]]:
    """Each slice, and whether it is one of several line breaks in a row."""
    held: list[_Slice] = []  # a line break, and the white space after it
    follows = False
    for own in slices:
        if own.kind == "text" and not own.text.strip():
            if held:
                held.append(own)
            else:
                yield own, False
            continue
        is_break = bool(_BREAK.match(own.raw))
        yield from ((one, number == 0 and (follows or is_break)) for number, one in enumerate(held))
        follows, held = bool(held), [own] if is_break else []
        if not is_break:
            yield own, False
    yield from ((one, number == 0 and follows) for number, one in enumerate(held))


def _runs(slices: Iterable[_Slice]) -> Iterator[list[_Slice]]:
    """Slices that belong together; a block boundary is alone. Several line breaks in a row are one."""
    run: list[_Slice] = []
    num_tags = 0
    for own, is_doubled in _with_doubled(slices):
        if own.kind != "text":
            num_tags += 1
            if num_tags > _MOST_TAGS and run and own.kept == "no":
                yield run
                run, num_tags = [], 1
        if own.kept == "inline" or (own.kept == "no" and own.kind != "break" and not is_doubled):
            run.append(own)
            continue
        if run:
            yield run
        run, num_tags = [], 0
        yield [own]
    if run:
        yield run


def _apart(run: list[_Slice]) -> list[list[_Slice]]:
    """The run; but if it is nothing but links beside one another, as a menu is, each of them and what is between."""
    parts: list[list[_Slice]] = [[]]
    names: list[str] = []  # of the elements that are open
    num_links = 0
    for own in run:
        if own.kind == "end":
            if not names or names.pop() != own.name:
                return [run]
            parts[-1].append(own)
            if not names:
                parts.append([])
            continue
        if not names and own.kind == "start":
            if own.name != "a" or own.kept != "no":
                return [run]
            num_links += 1
            parts.append([])
        elif not names and (own.kept != "no" or not _BETWEEN_LINKS.fullmatch(own.text)):
            return [run]
        if own.kind == "start":
            names.append(own.name)
        parts[-1].append(own)
    return [part for part in parts if part] if num_links > 1 and not names else [run]


class _UnitBuilder:
    """Makes a unit of a run of slices.

    Texts are joined once, at the end: made longer bit by bit, they would take time that grows with their square.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.num_characters = 0
        self.objects: list[list[str]] = []  # each in its slices
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
                    self.tags[number] = replace(self.tags[number], end=self.num_characters, closing=own.raw)
                    break
        else:
            self._add_tag(own.raw)
            if _BREAK.match(own.raw) and not (self.texts and self.texts[-1][-1].isspace()):
                self._add_characters(" ")  # it ends a word

    def _add_characters(self, text: str) -> None:
        if text:  # some references stand for nothing
            self.texts.append(text)
            self.num_characters += len(text)

    def _add_object(self, raw: str) -> None:
        if self.in_object:
            self.objects[-1].append(raw)
        else:
            self._add_characters(OBJECT)
            self.objects.append([raw])
        self.in_object = True

    def _add_text(self, own: _Slice) -> None:
        if own.raw == own.text:
            self.plain.update(own.text)
        elif len(own.text) == 1:
            self.references.setdefault(own.text, own.raw)
        self.objects.extend([[own.raw]] if own.text == OBJECT else [[OBJECT] for _ in range(own.text.count(OBJECT))])
        self._add_characters(own.text)

    def _add_tag(self, raw: str) -> None:
        position = self.num_characters
        self.tags.append(Tag(position, position, raw, "", self.open[-1][1] if self.open else -1))
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
        bare = frozenset(self.plain & {"&", "<", ">"}) or _NOTHING
        return Unit(raw, "".join(self.texts), tuple(map("".join, self.objects)), tuple(tags), references, bare)


def _unit(run: Sequence[_Slice]) -> Unit:
    builder = _UnitBuilder()
    for own in run:
        builder.add(own)
    return builder.unit("".join(own.raw for own in run))


def _says_something(run: Sequence[_Slice]) -> bool:
    return any(own.kept == "no" and _LETTER.search(own.text) for own in run)


def read_markup(markup: str) -> list[str | Unit]:
    """What is to be translated, as units, and all that is between them; joined, raw, they are `markup` again.

    Elements that are not translated: code, kbd, samp, var, pre, script, style, textarea, and all with
    `translate="no"` or the class `notranslate`. Inside of a sentence they are an `OBJECT` of its unit.
    """
    parts: list[str | Unit] = []
    runs = (part for run in _runs(_slices(markup)) for part in _apart(run))
    for says_something, own in groupby(runs, _says_something):
        if says_something:
            parts += map(_unit, own)
        else:
            parts.append("".join(part.raw for run in own for part in run))
    return parts

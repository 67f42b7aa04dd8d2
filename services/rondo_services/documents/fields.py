"""Fields of WordprocessingML: page numbers, references, tables of contents. One may go over several paragraphs."""

from collections.abc import Iterator
from typing import Any

from docx.oxml.ns import qn

Element = Any
"""Of lxml, which has no types."""

_MARK, _KIND, _PARAGRAPH = qn("w:fldChar"), qn("w:fldCharType"), qn("w:p")


class OpenFields:
    """Tells what belongs to a field, element by element.

    Args:
        depth: fields that are open before the first, in each other.
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth

    def take(self, element: Element) -> None:
        """Go on behind an element that belongs to a field."""
        kinds = _kinds(element)
        self.depth = max(0, self.depth + kinds.count("begin") - kinds.count("end"))


def begins_field(element: Element) -> bool:
    """Whether a field begins in it."""
    return "begin" in _kinds(element)


def paragraphs_with_depth(story: Element) -> Iterator[tuple[Element, int]]:
    """All paragraphs of a story, and how many fields are open where each begins; a field without an end ends with its
    paragraph."""
    open_marks: list[Element] = []
    ended: set[Element] = set()
    for mark in story.iter(_MARK):
        if mark.get(_KIND) == "begin":
            open_marks.append(mark)
        elif mark.get(_KIND) == "end" and open_marks:
            ended.update((open_marks.pop(), mark))
    depth = 0
    for element in story.iter(_PARAGRAPH, _MARK):
        if element.tag == _PARAGRAPH:
            yield element, depth
        elif element in ended:
            depth += 1 if element.get(_KIND) == "begin" else -1


def _kinds(element: Element) -> list[str | None]:
    return [mark.get(_KIND) for mark in element.iter(_MARK)]

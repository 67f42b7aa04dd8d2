"""Tags longer than paragraphs, as those of images that are in the page itself: short ones stand for them meanwhile."""

import re
from dataclasses import dataclass

from rondo_tokenizers.markup import Unit

_LONG = 400
_NAME = re.compile(r"<[A-Za-z][^\s/>]*")


@dataclass(frozen=True, slots=True)
class Shortened:
    """A unit of HTML with short tags.

    Attributes:
        stand_ins: what is in the text, and what it stands for.
    """

    text: str
    stand_ins: tuple[tuple[str, str], ...]

    def restored(self, text: str) -> str:
        """A translation of it with the tags that the page has."""
        for short, long in self.stand_ins:
            text = text.replace(short, long)
        return text


def shortened(unit: Unit) -> Shortened:
    """The same with a short tag for each that is long, and for each long part that is not translated."""
    text, stand_ins, mark = unit.raw, [], "rondo"
    while mark in text:
        mark += "-"
    written = [(tag.opening, _short_tag) for tag in unit.tags] + [(own, _short_object) for own in unit.objects]
    for number, (long, short_for) in enumerate(written):
        if len(long) > _LONG and long in text:
            short = short_for(long, f'{mark}="{number}"')
            text = text.replace(long, short)
            stand_ins.append((short, long))
    return Shortened(text, tuple(stand_ins))


def _short_tag(tag: str, attribute: str) -> str:
    name = _NAME.match(tag)
    if name is None:
        return f"<!--{attribute}-->"
    return f"{name[0]} {attribute}{'/' if tag.endswith('/>') else ''}>"


def _short_object(written: str, attribute: str) -> str:
    return f'<x translate="no" {attribute}></x>'

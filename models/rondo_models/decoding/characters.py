"""Keeps what is written to whole characters, where a vocabulary spells some of them byte by byte.

After a byte that begins a character in UTF-8 come only bytes that may follow it, and elsewhere none of those. Knows no
scores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_FIRST = range(0xC2, 0xF5)
_LATER = range(0x80, 0xC0)
_SECOND = {0xE0: range(0xA0, 0xC0), 0xED: range(0x80, 0xA0), 0xF0: range(0x90, 0xC0), 0xF4: range(0x80, 0x90)}
"""Where it is not any of the later ones: no longer spellings than needed, no surrogates, nothing beyond Unicode."""

_STRAY = "stray bytes"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A character of which bytes are missing.

    Attributes:
        missing: how many.
        following: ids of those that may come next.
        avoid: name of the set of all others.
    """

    missing: int
    following: frozenset[int]
    avoid: str


class Characters:
    """What may come next, so that no character is left unfinished.

    Args:
        byte_ids: ids of the 256 bytes; none: there are none, and any token may follow any.
        vocabulary_size: ids are below it.
        avoidable: sets of ids that searches may avoid, by their names.

    Attributes:
        avoidable: the sets that searches avoid if they ask here for their names.
    """

    def __init__(
        self,
        byte_ids: Sequence[int] = (),
        vocabulary_size: int = 0,
        avoidable: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self.avoidable: dict[str, Sequence[int]] = dict(avoidable or {})
        self._firsts: dict[int, Unfinished] = {}
        self._later: dict[int, Unfinished] = {}
        self._stray: frozenset[int] = frozenset()
        if not byte_ids:
            return

        def unfinished(missing: int, following: range) -> Unfinished:
            ids = frozenset(byte_ids[value] for value in following)
            name = f"all but bytes {following[0]:02X} to {following[-1]:02X}"
            self.avoidable[name] = [one for one in range(vocabulary_size) if one not in ids]
            return Unfinished(missing, ids, name)

        self._stray = frozenset(byte_ids[value] for value in range(0x80, 0x100) if value not in _FIRST)
        for name, ids in {"": (), **(avoidable or {})}.items():
            self.avoidable[self.between(name)] = [*self._stray.union(ids)]
        for first in _FIRST:
            missing = 1 + (first >= 0xE0) + (first >= 0xF0)
            self._firsts[byte_ids[first]] = unfinished(missing, _SECOND.get(first, _LATER))
        self._later = {missing: unfinished(missing, _LATER) for missing in (1, 2)}

    def between(self, avoid: str) -> str:
        """Name of the set of what must not come between two characters, for a search that avoids `avoid`."""
        return ", ".join(filter(None, (avoid, _STRAY if self._stray else "")))

    def after(self, before: Unfinished | None, identifier: int) -> Unfinished | None:
        """What is unfinished after one more token, which may come; None: nothing."""
        if before is None:
            return self._firsts.get(identifier)
        return self._later.get(before.missing - 1)

    def may_come(self, before: Unfinished | None, identifier: int) -> bool:
        """Whether a token leaves no character unfinished and begins with none that is."""
        return identifier not in self._stray if before is None else identifier in before.following

    def whole(self, ids: Sequence[int]) -> Sequence[int]:
        """The ids without the bytes of an unfinished character at the end."""
        for place in range(len(ids) - 1, max(len(ids) - 4, -1), -1):
            if (first := self._firsts.get(ids[place])) is not None:
                return ids if place + first.missing < len(ids) else ids[:place]
        return ids


ANY_CHARACTERS = Characters()
"""Of a vocabulary without bytes."""

"""What is known of prompts that were read lately, as their states: a longer one then costs only its new tokens."""

from array import array
from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Generic, TypeVar

V = TypeVar("V")

_BASE = 1_000_003
_MODULUS = (1 << 61) - 1

_TOKENS_A_VALUE = 1024
"""Of prompts, on average; so many longer ones push out as many more. A token takes four bytes."""

Key = tuple[str, int, int]


def _prefix_hashes(ids: Sequence[int]) -> list[int]:
    """A hash of each prefix, the empty one first."""
    hashes = [0]
    for identifier in ids:
        hashes.append((hashes[-1] * _BASE + identifier + 1) % _MODULUS)
    return hashes


def _packed(ids: Sequence[int]) -> bytes:
    """Four bytes for each, where a tuple has ten times as many."""
    return array("i", ids).tobytes()


class PrefixCache(Generic[V]):
    """Keeps the `capacity` values that were used last, fewer if they are of long prompts; 0 keeps none."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._entries: OrderedDict[Key, tuple[bytes, V]] = OrderedDict()
        self._exact: dict[tuple[str, bytes], Key] = {}  # found without the hashes of all prefixes
        self._lengths: Counter[int] = Counter()
        self._num_tokens = 0
        self._saved = (0, 0)

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, head: str, ids: tuple[int, ...], value: V) -> None:
        """Keep what is known of `ids`."""
        if not self.capacity:
            return
        key, packed = (head, len(ids), _prefix_hashes(ids)[-1]), _packed(ids)
        if key not in self._entries:
            self._lengths[len(ids)] += 1
            self._num_tokens += len(ids)
        else:
            del self._exact[head, self._entries[key][0]]
        self._entries[key], self._exact[head, packed] = (packed, value), key
        self._entries.move_to_end(key)
        while len(self._entries) > self.capacity or self._num_tokens > self.capacity * _TOKENS_A_VALUE:
            (own_head, length, _), (own_ids, _) = self._entries.popitem(last=False)
            self._lengths[length] -= 1
            self._num_tokens -= length
            del self._exact[own_head, own_ids]

    def longest(self, head: str, ids: tuple[int, ...]) -> tuple[int, V | None]:
        """The value of the longest known prefix of `ids`, and how long that is; 0 and None if none is known."""
        if not self._entries:
            return 0, None
        packed = _packed(ids)
        if (known_key := self._exact.get((head, packed))) is not None:
            return self._use(known_key)
        hashes = _prefix_hashes(ids)
        for length in range(len(ids), 0, -1):
            if not self._lengths[length]:
                continue
            key = (head, length, hashes[length])
            known = self._entries.get(key)
            if known is not None and packed.startswith(known[0]):
                return self._use(key)
        return 0, None

    def _use(self, key: Key) -> tuple[int, V]:
        """The entry, which is now the one used last."""
        self._entries.move_to_end(key)
        length, value = key[1], self._entries[key][1]
        self._saved = (self._saved[0] + 1, self._saved[1] + length)
        return length, value

    def take_savings(self) -> tuple[int, int] | None:
        """Prompts of which a part was known, and tokens of these parts, since this was last asked; None if none."""
        saved, self._saved = self._saved, (0, 0)
        return saved if saved[0] else None

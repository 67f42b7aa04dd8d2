"""What the configs of all heads can tell of each other."""

from dataclasses import replace
from typing import Any, ClassVar


class HeadShape:
    """Base of the configs, which are frozen dataclasses."""

    __slots__ = ()

    noise: ClassVar[tuple[str, ...]] = ("dropout",)
    """Fields that only training knows, and no weight depends on."""

    def has_weights_of(self, other: "HeadShape") -> bool:
        """Whether heads of both shapes have the same weights, however either is trained."""
        if type(self) is not type(other):
            return False
        own: Any = self
        return bool(replace(own, **{name: getattr(other, name) for name in self.noise}) == other)

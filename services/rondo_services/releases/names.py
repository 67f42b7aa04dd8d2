"""How requests name what is to answer them: `BUNDLE`, `BUNDLE@HASH`, either with `/SERVICE`, or `SERVICE` alone."""

import re
from dataclasses import dataclass

from ..errors import InvalidInput
from ..suite import SERVICES

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class ModelName:
    """The parts of a name; those that are None may be anything."""

    bundle: str | None = None
    hash: str | None = None
    service: str | None = None

    @staticmethod
    def of(text: str) -> "ModelName":
        """The parts of what a request says."""
        whose, slash, service = text.rpartition("/")
        if not slash and text in SERVICES:
            return ModelName(service=text)
        bundle, at, digits = (whose if slash else text).partition("@")
        return ModelName(bundle, digits if at else None, service if slash else None)


def check_bundle_name(name: str) -> str:
    """A name under which a bundle can be served.

    Raises:
        InvalidInput: it can't be told from a service's, a hash or a path.
    """
    if not _NAME.fullmatch(name) or name in SERVICES:
        raise InvalidInput(
            f"a bundle can't be served as {name!r}: names are up to 64 ASCII letters, digits, '.', '_' and '-', "
            f"and none of {', '.join(SERVICES)}"
        )
    return name

"""Which languages requests may name: those of the vocabularies that answer. It does not know who translates what.

Whoever reads requests for certain bundles says so before; elsewhere, as in a client, all languages may be named.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from rondo_tokenizers.language_names import LANGUAGES

AUTO = "auto"

_known: ContextVar[Sequence[str]] = ContextVar("known_languages", default=LANGUAGES)


@contextmanager
def only_known(languages: Iterable[str]) -> Iterator[None]:
    """Let requests name these languages alone, in the `with` statement."""
    before = _known.set(in_order(languages))
    try:
        yield
    finally:
        _known.reset(before)


def known_languages() -> Sequence[str]:
    """The languages that requests may name now."""
    return _known.get()


def in_order(languages: Iterable[str]) -> tuple[str, ...]:
    """Each once, as they are listed everywhere."""
    found = set(languages)
    return tuple(language for language in LANGUAGES if language in found)


class _Known:
    """Makes a field a choice among the known languages and some further values; it is refused as a Literal is."""

    def __init__(self, *others: str) -> None:
        self._others = others

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._checked)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"enum": self._choices(), "type": "string"}

    def _choices(self) -> list[str]:
        return [*self._others, *known_languages()]

    def _checked(self, value: Any) -> str:
        choices = self._choices()
        if isinstance(value, str) and value in choices:
            return value
        *others, last = map(repr, choices)
        expected = f"{', '.join(others)} or {last}" if others else last
        raise PydanticKnownError("literal_error", {"expected": expected})


def with_example(schema: dict[str, Any]) -> None:
    """Add to the description of such a field an example: the second language, or the only one."""
    schema["examples"] = schema["enum"][:2][-1:]


KnownLanguage = Annotated[str, _Known()]
AnyLanguage = Annotated[str, _Known(AUTO)]

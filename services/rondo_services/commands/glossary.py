"""A glossary in a file. What a term may be, and how many there may be, is not known here."""

import json
from collections.abc import Iterable
from pathlib import Path

from ..errors import InvalidInput


def read_glossary(path: Path) -> dict[str, str]:
    """Terms and their translations: of a .json file, an object; of any other, lines of a term, a tab, its translation.

    Empty lines say nothing.

    Raises:
        InvalidInput: it can't be read, or is something else; says in which line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{path}, line {line}: byte 0x{error.object[error.start]:02x} is not UTF-8") from error
    terms = _of_json(text, path) if path.suffix.lower() == ".json" else _of_lines(text, path)
    if not terms:
        raise InvalidInput(f"{path}: no term in it")
    return terms


def _of_lines(text: str, path: Path) -> dict[str, str]:
    terms: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        term, *translations = (part.strip() for part in line.split("\t"))
        if len(translations) != 1 or not term or not translations[0]:
            raise InvalidInput(f"{path}, line {number}: not a term, one tab and its translation")
        if term in terms:
            raise InvalidInput(f"{path}, line {number}: {term!r} has a translation in line {lines[term]}")
        terms[term], lines[term] = translations[0], number
    return terms


def _of_json(text: str, path: Path) -> dict[str, str]:
    def once(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
        own: dict[str, object] = {}
        for name, value in pairs:
            if name in own:
                raise InvalidInput(f"{path}: {name!r} has two translations")
            own[name] = value
        return own

    try:
        terms = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{path}, line {error.lineno}, column {error.colno}: no JSON: {error.msg}") from error
    except RecursionError as error:
        raise InvalidInput(f"{path}: nested too deep") from error
    if not isinstance(terms, dict):
        raise InvalidInput(f'{path}: not a JSON object, as {{"term": "translation"}}')
    for term, translation in terms.items():
        if not isinstance(translation, str):
            raise InvalidInput(f"{path}: the translation of {term!r} is no text")
    return terms

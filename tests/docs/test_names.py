"""Commands, flags, settings, targets and programs that the documentation names are there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from tests.docs.pages import CURRENT_PAGES, ROOT, code
from typer.core import TyperGroup

from rondo_services.cli import app
from rondo_services.server.settings import ServerSettings
from rondo_services.server.settings_sources import OF_CLIENTS

_COMMAND = re.compile(r"(?:^(?:\$ )?|[|;(&] ?|bin/)(?:[A-Z_]+=\S+ )*rondo ((?:[^\s;|&#<>()`\\]+ ?)+)")
_NOT_ONLY_OF_SERVERS = {
    *OF_CLIENTS,
    "RONDO_CONFIG",
    "RONDO_SERVICE_HOST",  # of Kubernetes, and told as such
}
_ROOT = typer.main.get_command(app)


def _wrong_in(words: list[str]) -> str | None:
    """What is wrong with `rondo WORDS`."""
    command, options = _ROOT, set[str]()
    for word in words:
        if word == "…":
            return None
        word = word.strip("[]…")
        if isinstance(command, TyperGroup) and not word.startswith("-") and re.fullmatch(r"[a-z][a-z-]*", word):
            if word not in command.commands:
                return f"no command {word!r}"
            command = command.commands[word]
            options = {name for own in command.params for name in (*own.opts, *own.secondary_opts)}
        elif (flag := word.partition("=")[0]).startswith("--") and flag not in options | {"--help"}:
            return f"no flag {flag!r}"
    return None


def wrong_commands(text: str) -> Iterator[str]:
    """Commands of `rondo` in code that it does not have, or not so."""
    for line in code(text):
        for found in _COMMAND.finditer(line):
            if wrong := _wrong_in(found[1].split()):
                yield f"{line.strip()}: {wrong}"


def _pages() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", CURRENT_PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@_pages()
def test_commands_and_flags_exist(page: Path) -> None:
    assert list(wrong_commands(page.read_text(encoding="utf-8"))) == []


def test_a_wrong_command_is_found() -> None:
    text = "`rondo serve --prt 1` `rondo keys make x` `rondo batch a.txt --to en`"
    text += "\n\n```sh\nx | rondo sing\n```\n"
    assert [line.rpartition(": ")[2] for line in wrong_commands(text)] == [
        "no flag '--prt'",
        "no command 'make'",
        "no command 'sing'",
    ]


@_pages()
def test_settings_exist(page: Path) -> None:
    known = {f"RONDO_{name.upper()}" for name in ServerSettings.model_fields} | _NOT_ONLY_OF_SERVERS
    known |= set(re.findall(r"\$\{(RONDO_[A-Z_]+)", (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")))
    named = set(re.findall(r"\bRONDO_[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")))
    assert named - known == set()


@_pages()
def test_targets_of_make_and_programs_exist(page: Path) -> None:
    lines = code(page.read_text(encoding="utf-8"))
    targets = set(re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split())
    named = {name for line in lines for name in re.findall(r"(?:^|[\s;])make (?:-C \S+ )?([a-z][a-z-]*)", line)}
    assert named - targets == set()
    programs = {path for line in lines for path in re.findall(r"python3? ((?:benchmarks|deploy|tests)/\S+\.py)", line)}
    assert [path for path in programs if not (ROOT / path).is_file()] == []

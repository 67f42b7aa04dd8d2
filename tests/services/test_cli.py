"""The command itself."""

import os
import signal
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from rondo_services import cli


@pytest.fixture
def _handler_of_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("_handler_of_before")
def test_only_the_first_process_of_a_container_takes_sigterm_for_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cli.main()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    monkeypatch.setattr(os, "getpid", lambda: 1)
    cli.main()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["recipe.toml", "--data", "a.csv", "--language", "ko"], "leave out --data, --language"),
        (["recipe.toml", "--task", "sentiment"], "leave out --task"),
        (["--data", "a.csv"], "give either a recipe, or both --task and --data"),
    ],
)
def test_training_is_from_a_recipe_or_from_a_file(arguments: list[str], message: str) -> None:
    ended = CliRunner().invoke(cli.app, ["train", *arguments])
    assert ended.exit_code == 2
    assert message in ended.stderr

"""`rondo sentiment`, `translate`, `summarize` and `generate` as processes, in pipes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.system.asking import REVIEWS
from tests.system.conftest import RunningServer

RONDO = [sys.executable, "-m", "rondo_services.cli"]
TIMEOUT_S = 60.0
ENGLISH = ["I am tired.", "Where is the station?"]
GERMAN = "Ich bin müde.\nWo ist der Bahnhof?\n"


@pytest.fixture
def address(server: RunningServer) -> str:
    return str(server.client.base_url)


def _environment(**variables: str) -> dict[str, str]:
    """As a user's: without what is set for the tests' own process."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RONDO_", "PYTHON"))}
    return {**inherited, **variables}


def _run(
    *arguments: str, given: bytes | str = "", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    given = given.encode() if isinstance(given, str) else given
    return subprocess.run(
        [*RONDO, *arguments],
        input=given,
        capture_output=True,
        env=environment or _environment(),
        timeout=TIMEOUT_S,
        check=False,
    )


def _answer(*arguments: str, given: bytes | str = "") -> str:
    """What a command writes that says nothing besides and succeeds."""
    ended = _run(*arguments, given=given)
    assert (ended.returncode, ended.stderr) == (0, b"")
    return ended.stdout.decode()


def _refusal(*arguments: str, given: bytes | str = "") -> tuple[int, str]:
    ended = _run(*arguments, given=given)
    assert b"Traceback" not in ended.stderr
    return ended.returncode, ended.stderr.decode()


@contextmanager
def _talking(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command with pipes that are open."""
    command = subprocess.Popen(
        [*RONDO, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        start_new_session=True,
    )
    try:
        with command:
            yield command
    finally:
        command.kill()


def test_arguments_lines_and_files_are_answered_alike(address: str, tmp_path: Path) -> None:
    path = tmp_path / "english.txt"
    path.write_text("\n".join(ENGLISH))
    to_german = ("translate", "--to", "de", "--server", address)
    assert _answer(*to_german, *ENGLISH) == GERMAN
    assert _answer(*to_german, given=path.read_bytes()) == GERMAN
    assert _answer(*to_german, "--input", str(path)) == GERMAN
    assert _answer(*to_german, "--input", "-", "--input", str(path), given="I am tired.") == f"Ich bin müde.\n{GERMAN}"
    assert _answer(*to_german, "--output", str(tmp_path / "german.txt"), *ENGLISH) == ""
    assert (tmp_path / "german.txt").read_text(encoding="utf-8") == GERMAN
    assert _answer(*to_german, "--whole", given="I am tired.\n\nWhere is the station?\n") == GERMAN.replace(
        "\n", "\n\n", 1
    )


def test_empty_lines_stay_where_they_are(address: str) -> None:
    given = "\nI am tired.\n \n\nWhere is the station?\n\n"
    answered = _answer("translate", "--to", "de", "--server", address, given=given)
    assert answered == "\nIch bin müde.\n\n\nWo ist der Bahnhof?\n\n"


def test_nothing_gives_nothing(address: str) -> None:
    assert _answer("translate", "--to", "de", "--server", address) == ""


def test_the_server_is_found_in_the_environment(address: str) -> None:
    ended = _run("sentiment", REVIEWS["en"][0], environment=_environment(RONDO_SERVER=address))
    label, score = ended.stdout.decode().rstrip("\n").split("\t")
    assert label == "positive"
    assert 0.5 < float(score) <= 1


def test_json_has_all_that_the_server_says(address: str) -> None:
    written = _answer("sentiment", "--json", "--server", address, given="\n".join(REVIEWS["en"]))
    results = [json.loads(line) for line in written.splitlines()]
    assert [result["label"] for result in results] == ["positive", "negative"]
    assert results[0]["scores"].keys() == {"positive", "negative"}
    explained = _answer("translate", "--to", "de", "--json", "--explain", "--server", address, ENGLISH[0])
    assert json.loads(explained)["alignment"][0]["target"]


def test_options_of_a_translation(address: str, tmp_path: Path) -> None:
    glossary = tmp_path / "terms.tsv"
    glossary.write_text("station\tHaltestelle\n")
    to_german = ("translate", "--to", "de", "--server", address)
    assert "Haltestelle" in _answer(*to_german, "--glossary", str(glossary), ENGLISH[1])
    assert "<b>" in _answer(*to_german, "--format", "html", "Where is <b>the station</b>?")
    glossary.write_text("station\tHaltestelle\ntrain\n")
    status, said = _refusal(*to_german, "--glossary", str(glossary), ENGLISH[1])
    assert (status, said) == (2, f"rondo: {glossary}, line 2: not a term, one tab and its translation\n")
    status, said = _refusal(*to_german, "--format", "pdf", ENGLISH[1])
    assert (status, said) == (2, "rondo: format: Input should be 'text' or 'html'\n")
    status, said = _refusal(*to_german, "--explain", ENGLISH[1])
    assert status == 2
    assert "--json" in said


def test_mistakes_end_with_2_and_say_where(address: str, tmp_path: Path) -> None:
    to_german = ("translate", "--to", "de", "--server", address)
    undecodable = _run(*to_german, given=b"I am tired.\n\nWhere \xff\n")
    assert (undecodable.returncode, undecodable.stdout.decode()) == (2, "Ich bin müde.\n\n")
    assert undecodable.stderr == b"rondo: standard input, line 3: byte 0xff is not UTF-8\n"
    none = tmp_path / "none"
    assert _refusal(*to_german, "--input", str(none)) == (2, f"rondo: {none}: no such file\n")
    assert _refusal("translate", "--to", "fr", "--server", address, "a")[0] == 2
    assert _refusal("translate", "--server", address, "a")[0] == 2
    assert _refusal(*to_german, "--bundle", str(none), "a")[0] == 2
    assert _refusal("translate", "--to", "de", "--bundle", str(none), "a")[0] == 2
    assert _refusal("translate", "--to", "de", "--server", "localhost", "a")[0] == 2
    long = "\n".join(["a", "b " * 150_000, "c"])
    assert _refusal("sentiment", "--server", address, given=long) == (
        2,
        "rondo: standard input, line 2: 300000 characters; at most 200000\n",
    )


def test_a_server_that_is_not_there_ends_with_1() -> None:
    status, said = _refusal("translate", "--to", "de", "--server", "http://127.0.0.1:1", "a")
    assert status == 1
    assert said.startswith("rondo: http://127.0.0.1:1/v1/translate: ")


def test_who_has_read_enough_is_not_told_of_the_rest(address: str) -> None:
    with _talking("sentiment", "--server", address) as command:
        assert command.stdin is not None
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdin.write(b"What a wonderful film!\n" * 1000)
        command.stdin.flush()
        assert command.stdout.readline().startswith(b"positive")
        command.stdout.close()
        command.stdin.close()
        assert command.stderr.read() == b""
        assert command.wait(TIMEOUT_S) == 128 + signal.SIGPIPE


def test_a_pause_gets_its_answers_and_an_interrupt_ends_quietly(address: str) -> None:
    with _talking("translate", "--to", "de", "--server", address) as command:
        assert command.stdin is not None
        assert command.stdout is not None
        assert command.stderr is not None
        for english, german in zip(ENGLISH, GERMAN.splitlines(), strict=True):
            command.stdin.write(f"{english}\n".encode())
            command.stdin.flush()
            assert command.stdout.readline().decode() == f"{german}\n"
        command.send_signal(signal.SIGINT)
        assert command.wait(TIMEOUT_S) == 128 + signal.SIGINT
        assert command.stderr.read() == b""


def test_a_single_prompt_is_answered_as_it_is_written(address: str) -> None:
    """The first words can be read before the last are written: then the command is told to stop."""
    with _talking("generate", "--server", address, "--max-tokens", "2000", "--temperature", "5", "The film") as command:
        assert command.stdout is not None
        assert command.stderr is not None
        assert command.stdout.read(1)
        command.send_signal(signal.SIGINT)
        assert command.wait(TIMEOUT_S) == 128 + signal.SIGINT
        assert command.stderr.read() == b""


def test_a_stream_is_the_text_in_one_piece(address: str) -> None:
    arguments = ("generate", "--server", address, "--max-tokens", "20", "--seed", "3")
    streamed = _answer(*arguments, "The film")
    assert streamed.strip()
    whole = json.loads(_answer(*arguments, "--json", "The film"))["text"]
    assert streamed == f"{whole}\n"
    assert _answer(*arguments, given="The film\nThe film\n").splitlines()[0] == whole.replace("\n", " ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("sentiment", *REVIEWS["en"], *REVIEWS["ko"]),
        ("translate", "--to", "de", *ENGLISH),
        ("summarize", "The parliament has voted for a new law on Monday. It was a long debate."),
        ("generate", "--max-tokens", "8", "--seed", "1", "The film"),
    ],
    ids=lambda arguments: str(arguments[0]),
)
def test_a_bundle_here_answers_what_its_server_does(address: str, arguments: tuple[str, ...]) -> None:
    assert _answer(*arguments) == _answer(*arguments, "--server", address)


def test_a_bundle_here_keeps_to_the_same_manners() -> None:
    with _talking("translate", "--to", "de") as command:
        assert command.stdin is not None
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdin.write(b"I am tired.\n")
        command.stdin.flush()
        assert command.stdout.readline().decode() == "Ich bin müde.\n"
        command.send_signal(signal.SIGINT)
        assert command.wait(TIMEOUT_S) == 128 + signal.SIGINT
        assert command.stderr.read() == b""

"""`rondo batch` with its worker in this process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rondo_services.cli import app
from rondo_services.jobs import local
from rondo_services.local import LocalSuite

Batch = Callable[..., Result]
OF_THIS_MACHINE = (
    ("--precision", "float32"),
    ("--threads", "2"),
    ("--workers", "2"),
    ("--engine", "ray"),
    ("--ray-address", "head:6379"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the outputs are to be, and nothing else."""
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


@pytest.fixture
def batch(workers_here: LocalSuite, bundle_folder: Path, folder: Path) -> Batch:
    """Run the command on what is read; the output is `out.jsonl`."""

    def batch(source: str | Path, *more: str, service: str = "sentiment", given: str | None = None) -> Result:
        arguments = ["batch", service, str(source), "--bundle", str(bundle_folder)]
        if "--output" not in more:
            arguments += ["--output", str(folder / "out.jsonl")]
        return CliRunner().invoke(app, [*arguments, *more], input=given)

    return batch


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "The boat."}\n{"text": 5}\n{"text": "The train."}\n', encoding="utf-8")
    return path


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_answers_and_errors_go_to_files_side_by_side(batch: Batch, source: Path, folder: Path) -> None:
    result = batch(source)
    assert result.exit_code == 0, result.output
    assert [line["line"] for line in _lines(folder / "out.jsonl")] == [1, 3]
    assert [line["line"] for line in _lines(folder / "out.jsonl.errors")] == [2]
    assert "2 records answered" in result.stderr
    assert "1 could not be" in result.stderr
    assert result.stdout == ""
    assert sorted(path.name for path in folder.iterdir()) == ["out.jsonl", "out.jsonl.errors"]


def test_an_output_that_is_there_is_kept_unless_told_otherwise(batch: Batch, source: Path, folder: Path) -> None:
    (folder / "out.jsonl").write_text("mine")
    (folder / "out.jsonl.errors").write_text("of another run")
    result = batch(source)
    assert (result.exit_code, (folder / "out.jsonl").read_text()) == (2, "mine")
    assert "is there already; --overwrite writes over it" in result.stderr
    source.write_text('{"text": "The boat."}\n', encoding="utf-8")
    assert batch(source, "--overwrite").exit_code == 0
    assert [path.name for path in folder.iterdir()] == ["out.jsonl"]
    assert len(_lines(folder / "out.jsonl")) == 1


def test_folders_of_the_output_are_made(batch: Batch, source: Path, folder: Path) -> None:
    assert batch(source, "--output", str(folder / "a" / "b" / "out.jsonl")).exit_code == 0
    assert len(_lines(folder / "a" / "b" / "out.jsonl")) == 2


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_a_folder_is_no_output(batch: Batch, source: Path, folder: Path, more: list[str]) -> None:
    """Without --overwrite that was advised, and then refused."""
    result = batch(source, "--output", str(folder), *more)
    assert result.exit_code == 2
    assert "is a folder; name a file" in result.stderr


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.errors"])
def test_the_input_is_not_written_over(batch: Batch, source: Path, folder: Path, name: str) -> None:
    own = source.rename(folder / name)
    content = own.read_bytes()
    result = batch(f"{folder}/../own/{name}", "--overwrite", "--format", "jsonl")
    assert result.exit_code == 2
    assert "is the input" in result.stderr
    assert own.read_bytes() == content


@pytest.mark.parametrize("name", ["w?1.jsonl", "50% #1.jsonl", "a b.jsonl"])
def test_an_output_may_have_any_name(batch: Batch, source: Path, folder: Path, name: str) -> None:
    result = batch(source, "--output", str(folder / name))
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in folder.iterdir()) == [name, f"{name}.errors"]


def test_standard_input(batch: Batch, folder: Path) -> None:
    result = batch("-", "--format", "text", given="The boat.\nThe train.\n")
    assert result.exit_code == 0, result.output
    assert [line["text"] for line in _lines(folder / "out.jsonl")] == ["The boat.", "The train."]


def test_options_of_the_service(batch: Batch, source: Path, folder: Path) -> None:
    options = ["--from", "en", "--to", "de", "--set", "beam_size=1", "--id", "text", "--limit", "1", "--chunk", "1"]
    result = batch(source, *options, service="translation")
    assert result.exit_code == 0, result.output
    (line,) = _lines(folder / "out.jsonl")
    assert (line["id"], line["source"], line["target"]) == ("The boat.", "en", "de")


@pytest.mark.parametrize(
    ("service", "more", "told"),
    [
        (
            "nothing",
            [],
            "unknown service 'nothing'; choose among sentiment, translation, summarization, generation, perp",
        ),
        ("requests", [], "unknown service 'requests'"),
        ("sentiment", ["--to", "de"], "options of sentiment: target"),
        ("translation", [], "target: say which language to translate into (--to"),
        ("translation", ["--to", "de", "--set", "length_penalty=NaN"], "length_penalty: Input should be a finite"),
        ("sentiment", ["--format", "csv", "--text", "body"], "no column 'body'"),
        ("sentiment", ["--format", "docx"], "format: "),
        ("sentiment", ["--set", "explain"], "--set explain: expected NAME=VALUE"),
        ("sentiment", ["--engine", "spark"], "engine must be processes or ray, not 'spark'"),
        ("sentiment", ["--precision", "int4"], "precision must be auto, "),
        ("sentiment", ["--chunk", "0"], "--chunk"),
        ("sentiment", ["--bundle", "nowhere"], "nowhere is no bundle"),
        (
            "sentiment",
            ["--server", "http://localhost:1"],
            "give a server (--server, RONDO_SERVER) or a bundle",
        ),
        *(
            ("sentiment", ["--server", "http://localhost:1", option, value], f"{option} would change nothing; leave it")
            for option, value in OF_THIS_MACHINE
        ),
    ],
)
def test_a_mistake_is_told_before_anything_is_begun(
    batch: Batch, source: Path, folder: Path, service: str, more: list[str], told: str
) -> None:
    result = batch(source, *more, service=service)
    assert result.exit_code == 2
    assert told in result.stderr
    assert list(folder.iterdir()) == []


def test_a_job_that_fails_says_why(batch: Batch, source: Path, folder: Path) -> None:
    result = batch(source, "--max-errors", "0")
    assert result.exit_code == 1
    assert "the job failed: 1 records could not be answered; at most 0 may not be" in result.stderr
    assert f"{folder / 'out.jsonl.errors'} says why" in result.stderr
    assert [line["line"] for line in _lines(folder / "out.jsonl.errors")] == [2]
    assert batch(source, "--max-errors", "0").exit_code == 1
    assert not (folder / "out.jsonl").exists()


def test_an_interrupt_says_that_the_same_command_goes_on(
    batch: Batch, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "run_in_foreground", interrupted)
    result = batch(source)
    assert result.exit_code == 130
    assert "rondo: stopped; the same command goes on" in result.stderr


def test_standard_input_is_checked_before_anything_is_begun(
    batch: Batch,
) -> None:
    result = batch("-", "--format", "csv", "--text", "body", given="text\nThe boat.\n")
    assert result.exit_code == 2
    assert "standard input: there is no column 'body'" in result.stderr

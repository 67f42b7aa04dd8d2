"""Whether `rondo evaluate` is asked for what makes sense, and whether anything was measured in the end."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import typer

from ..errors import InvalidInput
from ..jobs.spec import EXPECTED
from .given import given

_OF_RUNNING_TEXT = {"task", "data", "output", "split", "limit", "baselines", "bundle", "server", "api_key", "adapt"}

_OF_COMPRESSION = {"task", "data", "output", "split", "limit", "baselines", "bundle"}


def check_own_data(task: str, data: str, split: str | None, expected: str | None) -> None:
    """Check what was told about data without a name.

    Raises:
        InvalidInput: there is no such file, it has no splits, or it is not said what is expected.
    """
    from ..datasets.catalog import DATA_SETS
    from ..jobs.inputs.named import PREFIX

    if data != "-" and ":" not in data and not Path(data).exists():
        raise InvalidInput(f"{data}: no such file, and no data set; those are {', '.join(DATA_SETS)}")
    if split is not None:
        raise InvalidInput("--split: only named data sets have splits; leave it out")
    if task in EXPECTED and expected is None and not data.startswith(PREFIX):
        raise InvalidInput(f"name the column of the {EXPECTED[task]} with --expected; there is nothing to measure else")
    if task not in EXPECTED and expected is not None:
        raise InvalidInput(f"--expected: nothing is expected of {task}; leave it out")


def check_languages(options: Mapping[str, Any], of_the_data: Mapping[str, Any]) -> None:
    """Check the languages that were given against those of a named data set.

    Raises:
        InvalidInput: they are others.
    """
    for name, option in (("source", "--from"), ("target", "--to")):
        given, known = options.get(name), of_the_data.get(name)
        if known is not None and given not in (None, known):
            pair = f"from {of_the_data['source']} to {of_the_data['target']}"
            raise InvalidInput(f"the data are {pair}, so not {option} {given}; leave it out, or turn the --direction")


def check_tokenized_bleu(task: str, options: Mapping[str, Any]) -> None:
    """Check that there is a tokenised BLEU of what is measured.

    Args:
        options: of the job.

    Raises:
        InvalidInput: it is no translation, or none into a language with a tokenizer, or the library is missing.
    """
    from ..evaluation.tokenized_bleu import check_tokenizer

    if task != "translation":
        raise InvalidInput(f"--tokenized-bleu is of translation, not of {task}; leave it out")
    check_tokenizer(options["target"])


def check_stemmed_rouge(task: str, data: str) -> None:
    """Check that there is a stemmed ROUGE of what is measured.

    Args:
        data: the name of a data set, or a file, whose language nobody knows.

    Raises:
        InvalidInput: it is no summary, or not in English.
    """
    from ..datasets.catalog import DATA_SETS

    if task != "summarization":
        raise InvalidInput(f"--stemmed-rouge is of summarization, not of {task}; leave it out")
    if data in DATA_SETS and DATA_SETS[data].languages != ("en",):
        raise InvalidInput(f"--stemmed-rouge is of English, and {data} is in {', '.join(DATA_SETS[data].languages)}")


def check_running_text(context: typer.Context, *, is_adapted: bool) -> None:
    """Check that no option was given that running text has no use for.

    Args:
        is_adapted: the model takes to the text, in a way that has settings.

    Raises:
        InvalidInput: names those that were.
    """
    used = _OF_RUNNING_TEXT | ({"settings"} if is_adapted else set())
    if useless := _given_but(context, used):
        raise InvalidInput(f"running text is only read: {', '.join(useless)} would change nothing; leave it out")


def check_compression(context: typer.Context, *, is_named: bool) -> None:
    """Check that what is to be shortened is a named data set, and no option was given that this has no use for.

    Raises:
        InvalidInput: it is none, or names the options.
    """
    if not is_named:
        raise InvalidInput("compression is measured on a named data set: only there each word has a label")
    if context.params["server"]:
        raise InvalidInput("compression is measured by this machine; leave out the server (--server, RONDO_SERVER)")
    if useless := _given_but(context, _OF_COMPRESSION):
        raise InvalidInput(f"compression has no settings: {', '.join(useless)} would change nothing; leave it out")


def _given_but(context: typer.Context, used: Collection[str]) -> list[str]:
    """Options on the command line that are not `used`, as they are written there."""
    return [written for name, written in given(context).items() if name not in used]


def check_measured(report: Mapping[str, Any], predictions: Path) -> None:
    """Check that something was measured.

    Args:
        predictions: the file of the answers.

    Raises:
        InvalidInput: no record was answered, nothing was expected, or no label that the service knows.
    """
    num_texts, num_bad = report["num_examples"], report["num_errors"]
    if not num_texts:
        why = f"none of the {num_bad} records could be answered (errors.jsonl)" if num_bad else "there are no records"
        raise InvalidInput(f"{why}; nothing was measured")
    if report["metrics"].get("num_without_expected") == num_texts:
        raise InvalidInput("no record has anything in the column --expected; nothing was measured")
    if report["task"] == "sentiment":
        _check_labels(report["metrics"]["confusion"], predictions)


def _check_labels(confusion: Mapping[str, Mapping[str, int]], predictions: Path) -> None:
    from ..evaluation.tasks.sentiment import label_of
    from ..jobs.inputs.records import listed

    with predictions.open(encoding="utf-8") as lines:
        known = list(map(label_of, json.loads(next(lines))["scores"]))
    expected = [label for label, answered in confusion.items() if any(answered.values())]
    if not set(expected) & set(known):
        raise InvalidInput(
            f"none of the expected labels is one of the service's: expected are {listed(expected)}; the service's are "
            f"{listed(known)}"
        )

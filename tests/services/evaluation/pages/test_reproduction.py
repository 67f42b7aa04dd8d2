import shlex
from pathlib import Path
from typing import Any

import pytest

from rondo_services.evaluation.pages import reproduction
from rondo_services.evaluation.pages.reading import read
from rondo_services.evaluation.pages.reproduction import command_of


def command(**report: Any) -> list[str] | None:
    text = command_of(read(report))
    return None if text is None else shlex.split(text.replace("\\\n", " "))


def test_settings_become_options() -> None:
    settings = {"precision": "mixed", "source": "en", "target": "de", "format": "plain", "beam_size": 8, "limit": 300}
    words = command(task="translation", data="tatoeba-en-de", split="dev", settings=settings)
    expected = "rondo evaluate --task translation --data tatoeba-en-de --split dev --precision mixed --beam-size 8"
    assert words == f"{expected} --limit 300 --output results/tatoeba-en-de".split()


def test_pairs_the_other_way_round_are_backward() -> None:
    settings = {"source": "de", "target": "en"}
    words = command(task="translation", data="tatoeba-en-de", split="test", settings=settings)
    assert words is not None
    assert words[words.index("--direction") + 1] == "backward"


def test_a_setting_of_zero_is_one() -> None:
    settings = {"source": "en", "target": "de", "length_penalty": 0.0}
    words = command(task="translation", data="tatoeba-en-de", split="test", settings=settings)
    assert words is not None
    assert words[words.index("--length-penalty") + 1] == "0.0"


def test_another_bundle_than_the_default_has_to_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproduction, "default_bundle", lambda: tmp_path)
    report: dict[str, Any] = {"task": "sentiment", "data": "nsmc", "split": "dev"}
    own = command(**report, bundle_fingerprint="abc")
    assert own is not None
    assert own[own.index("--bundle") + 1] == "FOLDER"
    (tmp_path / "manifest.json").write_text('{"fingerprint": "abc"}')
    for default in (command(**report, bundle_fingerprint="abc"), command(**report)):
        assert default is not None
        assert "--bundle" not in default


def test_other_settings_are_set_as_json() -> None:
    settings = {"max_tokens": 20, "words": ["it's", "a b"]}
    words = command(task="summarization", data="debian-synopsis-en", split="test", settings=settings)
    assert words is not None
    assert "max_tokens=20" in words
    assert 'words=["it\'s", "a b"]' in words


def test_running_text_is_read_in_one_way() -> None:
    settings = {"state": "carried", "precision": "float32", "limit": 5}
    words = command(task="perplexity", data="wikitext2", split="test", settings=settings)
    assert words is not None
    expected = "--task perplexity --data wikitext2 --split test --limit 5"
    assert words[2:] == [*expected.split(), *words[-2:]]


@pytest.mark.parametrize(("data", "split"), [("reviews.jsonl", ""), ("nsmc", ""), ("", "")])
def test_files_of_users_are_theirs_to_name(data: str, split: str) -> None:
    assert command(task="sentiment", data=data, split=split) is None


def test_lines_are_short_enough_to_read() -> None:
    settings = {f"option_{number}": number for number in range(12)}
    text = command_of(read({"task": "sentiment", "data": "nsmc", "split": "dev", "settings": settings}))
    assert text is not None
    assert max(map(len, text.splitlines())) < 90


def test_a_probe_has_a_command_of_its_own() -> None:
    settings = {"precision": "mixed", "label": "positive", "language": "auto", "beam_size": 4, "limit": 9}
    words = command(task="bias", data="sentences+sst2+nsmc", split="dev", settings=settings)
    expected = "rondo probe --data sst2 --data nsmc --label positive --precision mixed --limit 9 --output results/bias"
    assert words == expected.split()
    assert command(task="bias", data="sentences") == ["rondo", "probe", "--output", "results/bias"]

"""When a server asks for keys, and what it needs to start."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rondo_services.access.key_file import KeyFile, KeyFileError
from rondo_services.access.keys import Allowance
from rondo_services.addresses import is_loopback
from rondo_services.server.access.policy import access_control, asks_for_keys
from rondo_services.server.settings import ServerSettings

EVERYWHERE = "0.0.0.0"


def _settings(folder: Path, **others: Any) -> ServerSettings:
    return ServerSettings(state_dir=folder, **others)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", "", "localhost.example.org"])
def test_other_addresses(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("require_key", "on_loopback", "elsewhere"),
    [("auto", False, True), ("always", True, True), ("never", False, False)],
)
def test_who_is_asked(require_key: str, on_loopback: bool, elsewhere: bool, tmp_path: Path) -> None:
    settings = _settings(tmp_path, require_key=require_key)
    assert asks_for_keys(settings, "127.0.0.1") == on_loopback
    assert asks_for_keys(settings, EVERYWHERE) == elsewhere


def test_without_keys_a_server_that_others_reach_does_not_start_and_says_both_ways_out(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"rondo keys create NAME.*or let everybody in with --insecure"):
        access_control(_settings(tmp_path), EVERYWHERE)


def test_where_keys_are_always_asked_for_there_is_one_way_out(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rondo keys create NAME") as caught:
        access_control(_settings(tmp_path, require_key="always"), "127.0.0.1")
    assert "--insecure" not in str(caught.value)


def test_with_a_key_it_starts(tmp_path: Path) -> None:
    _, key = KeyFile(tmp_path).create("shop", Allowance(), None, datetime.now(UTC))
    control = access_control(_settings(tmp_path), EVERYWHERE)
    assert control is not None
    assert control.admit(key).name == "shop"


def test_keys_that_can_not_be_read_are_no_reason_to_start_without(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{")
    with pytest.raises(KeyFileError):
        access_control(_settings(tmp_path), EVERYWHERE)


def test_insecurity_is_said_where_it_matters(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert access_control(_settings(tmp_path, require_key="never"), "127.0.0.1") is None
        assert not caplog.records
        assert access_control(_settings(tmp_path, require_key="never"), EVERYWHERE) is None
    assert "everybody who can reach 0.0.0.0" in caplog.text

"""A running server takes over keys that come and go."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest
from tests.services.access.conftest import Clock

from rondo_services.access.key_file import KeyFile, KeyFileError
from rondo_services.access.keyring import Keyring
from rondo_services.access.keys import Allowance

LATER_S = 0.3


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path)


def _new(file: KeyFile, clock: Clock, **options: object) -> tuple[str, str]:
    record, key = file.create("shop", Allowance(), options.get("expires_at"), clock.moment)  # type: ignore[arg-type]
    return record.id, key


def test_a_valid_key_is_found_and_no_other(file: KeyFile, clock: Clock) -> None:
    identifier, key = _new(file, clock)
    keyring = Keyring(file, clock)
    found = keyring.find(key)
    assert found is not None
    assert found.id == identifier
    assert keyring.find(key[:-1]) is None
    assert keyring.find(key.replace(identifier, "00000000")) is None
    assert keyring.find("") is None


def test_an_expired_key_is_found_no_longer(file: KeyFile, clock: Clock) -> None:
    _, key = _new(file, clock, expires_at=clock.moment + timedelta(hours=1))
    keyring = Keyring(file, clock)
    assert keyring.find(key) is not None
    clock.now += 3600
    assert keyring.find(key) is None


def test_keys_come_and_go_without_a_restart(file: KeyFile, clock: Clock) -> None:
    old_id, old = _new(file, clock)
    keyring = Keyring(file, clock)
    _, new = _new(file, clock)
    clock.now += LATER_S
    assert keyring.find(old) is not None
    assert keyring.find(new) is not None
    file.revoke(old_id)
    clock.now += LATER_S
    assert keyring.find(old) is None
    assert keyring.find(new) is not None
    assert len(keyring) == 1


def test_the_file_is_looked_at_a_few_times_a_second_at_most(
    file: KeyFile, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = _new(file, clock)
    keyring = Keyring(file, clock)
    reads: list[None] = []
    monkeypatch.setattr(Keyring, "_refresh", lambda _: reads.append(None))
    for _ in range(100):
        keyring.find(key)
        clock.now += 0.01
    assert 3 <= len(reads) <= 4


def test_a_clock_that_is_set_back_keeps_no_revoked_key_alive(file: KeyFile, clock: Clock) -> None:
    identifier, key = _new(file, clock)
    keyring = Keyring(file, clock)
    file.revoke(identifier)
    clock.now -= 3600
    assert keyring.find(key) is None


def test_without_the_file_nobody_has_a_key(file: KeyFile, clock: Clock) -> None:
    _, key = _new(file, clock)
    keyring = Keyring(file, clock)
    file.path.unlink()
    clock.now += LATER_S
    assert keyring.find(key) is None


def test_a_file_that_somebody_broke_takes_no_keys_away(
    file: KeyFile, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    _, key = _new(file, clock)
    keyring = Keyring(file, clock)
    whole = file.path.read_text()
    file.path.write_text("{")
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            clock.now += LATER_S
            assert keyring.find(key) is not None
    assert len(caplog.records) == 1
    assert key not in caplog.text
    file.path.write_text(whole.replace("shop", "renamed"))
    clock.now += LATER_S
    found = keyring.find(key)
    assert found is not None
    assert found.name == "renamed"


def test_a_broken_file_at_the_start_is_an_error(file: KeyFile) -> None:
    file.path.write_text("{")
    with pytest.raises(KeyFileError):
        Keyring(file)


def test_a_file_that_could_not_be_read_is_read_once_it_can_be(
    file: KeyFile, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It was never read again, as its owner alone had changed: a revoked key stayed valid."""
    identifier, key = _new(file, clock)
    keyring = Keyring(file, clock)
    file.revoke(identifier)
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(KeyFile, "read", _refuse)
        for _ in range(3):
            clock.now += LATER_S
            assert keyring.find(key) is not None
    assert len(caplog.records) == 1
    clock.now += LATER_S
    assert keyring.find(key) is None


def _refuse(file: KeyFile) -> None:
    raise KeyFileError(f"{file.path} can't be read: permission denied")


def test_where_the_file_can_not_be_looked_at_the_keys_stay_valid(file: KeyFile, clock: Clock) -> None:
    _, key = _new(file, clock)
    keyring = Keyring(file, clock)
    file.path.unlink()
    file.path.symlink_to(file.path)  # a loop
    clock.now += LATER_S
    assert keyring.find(key) is not None

"""What keys look like, and what is kept of them."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from rondo_services.access.keys import Allowance, expiry, is_same, new_key, parted

NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)


def test_a_key_is_found_by_its_id_and_known_by_its_hash() -> None:
    record, key = new_key("shop", Allowance(requests_per_day=3), None, NOW)
    identifier, digest = parted(key)
    assert key.startswith("rondo_")
    assert identifier == record.id
    assert is_same(digest, bytes.fromhex(record.sha256))
    assert record.allowance.requests_per_day == 3


def test_the_secret_is_not_kept() -> None:
    record, key = new_key("shop", Allowance(), None, NOW)
    secret = key.removeprefix(f"rondo_{record.id}_")
    assert len(secret) == 43  # 256 bits
    assert secret not in record.model_dump_json()
    assert record.sha256 == hashlib.sha256(secret.encode()).hexdigest()


def test_no_two_keys_are_alike() -> None:
    assert len({new_key("shop", Allowance(), None, NOW)[1] for _ in range(50)}) == 50


@pytest.mark.parametrize("change", [lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"), str.upper, str.strip])
def test_another_secret_is_not_the_same(change: object) -> None:
    record, key = new_key("shop", Allowance(), None, NOW)
    changed = change(key)  # type: ignore[operator]
    assert is_same(parted(changed)[1], bytes.fromhex(record.sha256)) == (changed == key)


@pytest.mark.parametrize("key", ["", "rondo_", "x" * 10_000, "rondo_0123abcd_short", "sk-123", "rondo_\udfff", "é"])
def test_what_can_not_be_a_key_has_an_id_that_nobody_has(key: str) -> None:
    identifier, digest = parted(key)
    assert identifier == ""
    assert not is_same(digest, None)


def test_nothing_is_the_same_as_what_is_not_kept() -> None:
    assert not is_same(hashlib.sha256(b"").digest(), None)


@pytest.mark.parametrize("name", ["", " ", "a b", "a/b", "a\n", "-a", "ä", "a" * 65])
def test_names_that_could_upset_a_log_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name is up to 64"):
        new_key(name, Allowance(), None, NOW)


def test_an_expiry_in_the_past_is_refused() -> None:
    with pytest.raises(ValueError, match="would have expired already"):
        new_key("shop", Allowance(), NOW, NOW)


def test_a_key_expires() -> None:
    record, _ = new_key("shop", Allowance(), NOW + timedelta(hours=1), NOW)
    assert not record.is_expired(NOW.timestamp() + 3599)
    assert record.is_expired(NOW.timestamp() + 3600)
    assert not new_key("shop", Allowance(), None, NOW)[0].is_expired(1e12)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90d", NOW + timedelta(days=90)),
        ("12h", NOW + timedelta(hours=12)),
        ("2031-06-01", datetime(2031, 6, 1, tzinfo=UTC)),
        ("2031-06-01T12:00+02:00", datetime(2031, 6, 1, 10, tzinfo=UTC)),
    ],
)
def test_expiries_are_spans_or_moments(text: str, moment: datetime) -> None:
    assert expiry(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "soon", "0d", "-1d", "1w", "2031-13-01"])
def test_other_expiries_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an expiry is like 90d"):
        expiry(text, NOW)

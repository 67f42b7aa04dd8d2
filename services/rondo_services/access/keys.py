"""What a key looks like, and what is kept of it.

A key is `rondo_`, eight hexadecimal digits that name it, and a secret of 256 random bits. Of the secret its SHA-256 is
kept. A slow hash with a salt, as passwords need, would add nothing: nobody can try 2^256 secrets, nor have a table of
them, and a slow hash would cost each request milliseconds.
"""

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

PREFIX = "rondo_"

_ID = r"[0-9a-f]{8}"
_KEY = re.compile(rf"{PREFIX}({_ID})_([A-Za-z0-9_-]{{43}})")
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_NOBODY = hashlib.sha256(b"").digest()
_SPAN = re.compile(r"([1-9][0-9]{0,5})([dh])")


class Allowance(BaseModel):
    """How much may be asked for with a key; None is no limit. A day is one of UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: int | None = Field(None, ge=1)
    requests_per_day: int | None = Field(None, ge=1)
    characters_per_day: int | None = Field(None, ge=1)


class KeyRecord(BaseModel):
    """What is kept of a key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=f"^{_ID}$")
    name: str = Field(pattern=f"^{_NAME}$")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    allowance: Allowance = Allowance()
    admin: bool = Field(False, description="May change what is served.")

    def is_expired(self, now: float) -> bool:
        """Whether it is valid no longer at this second of the epoch."""
        return self.expires_at is not None and self.expires_at.timestamp() <= now


def new_key(
    name: str, allowance: Allowance, expires_at: datetime | None, now: datetime, *, admin: bool = False
) -> tuple[KeyRecord, str]:
    """What to keep, and the key itself, which can't be had again.

    Raises:
        ValueError: the name can't be used, or the key would have expired already.
    """
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"a key's name is up to 64 ASCII letters, digits, '.', '_' and '-', not {name!r}")
    if expires_at is not None and expires_at <= now:
        raise ValueError(f"the key would have expired already, at {expires_at.isoformat()}")
    identifier, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    record = KeyRecord(
        id=identifier,
        name=name,
        sha256=digest,
        created_at=now,
        expires_at=expires_at,
        allowance=allowance,
        admin=admin,
    )
    return record, f"{PREFIX}{identifier}_{secret}"


def parted(key: str) -> tuple[str, bytes]:
    """Id and hashed secret of what somebody presents as a key; of what can't be one, an id that nobody has."""
    match = _KEY.fullmatch(key)
    if match is None:
        return "", hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    return match[1], hashlib.sha256(match[2].encode()).digest()


def is_same(digest: bytes, kept: bytes | None) -> bool:
    """Whether a hashed secret is the one that is kept; it takes as long where none is kept."""
    return hmac.compare_digest(digest, _NOBODY if kept is None else kept) and kept is not None


def expiry(text: str, now: datetime) -> datetime:
    """When `90d`, `12h`, `2031-05-01` or `2031-05-01T12:00+02:00` is; without a zone it is UTC.

    Raises:
        ValueError: it is none of them.
    """
    span = _SPAN.fullmatch(text)
    try:
        if span is not None:
            count = int(span[1])
            return now + (timedelta(days=count) if span[2] == "d" else timedelta(hours=count))
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"an expiry is like 90d, 12h, 2031-05-01 or 2031-05-01T12:00+02:00, not {text!r}") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)

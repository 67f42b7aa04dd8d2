"""Whether a server asks for keys, which depends on who can reach it, and what it then needs to start."""

import logging

from ...access.control import AccessControl
from ...access.key_file import KeyFile
from ...access.keyring import Keyring
from ...access.ledger import Ledger
from ...access.usage import UsageBook
from ...addresses import is_loopback
from ..settings import ServerSettings

logger = logging.getLogger("rondo")

_HOW_TO_MAKE_ONE = "make a key with `rondo keys create NAME`"


def asks_for_keys(settings: ServerSettings, host: str) -> bool:
    """`always` and `never` say so; with `auto`, unless only this machine can reach the address."""
    if settings.require_key == "auto":
        return not is_loopback(host)
    return settings.require_key == "always"


def access_control(settings: ServerSettings, host: str) -> AccessControl | None:
    """What decides who may ask; None if everybody may.

    Raises:
        ValueError: a key is asked for and there is none, so nobody could ask; it says what to do.
        KeyFileError: the keys can't be read.
    """
    if not asks_for_keys(settings, host):
        if not is_loopback(host):
            logger.warning("no key is asked for: everybody who can reach %s may use this server", host)
        return None
    file = KeyFile(settings.state_dir)
    keyring = Keyring(file)
    if keyring:
        return AccessControl(keyring, Ledger(UsageBook(settings.state_dir)))
    if settings.require_key == "always":
        raise ValueError(f"RONDO_REQUIRE_KEY is always, but there is no key in {file.path}: {_HOW_TO_MAKE_ONE}")
    raise ValueError(
        f"{host} can be reached from other machines, and there is no key in {file.path}: {_HOW_TO_MAKE_ONE}, "
        "or let everybody in with --insecure (RONDO_REQUIRE_KEY=never)"
    )

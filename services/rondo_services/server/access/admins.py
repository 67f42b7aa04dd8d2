"""Who may change what is served: only those with a key that has this right, also where others need no key at all."""

import logging

from starlette.requests import HTTPConnection

from ...access.key_file import KeyFile, KeyFileError
from ...access.keyring import Keyring
from ...access.keys import KeyRecord
from ...errors import NotAllowed, NotAuthenticated
from ..settings import ServerSettings
from .presented import presented_key

logger = logging.getLogger("rondo")

_HOW = "make one with `rondo keys create NAME --admin`"


class Admins:
    """Knows the keys with the right. They are read when the first of them is presented."""

    def __init__(self, settings: ServerSettings) -> None:
        self._folder = settings.state_dir
        self._keyring: Keyring | None = None

    def check(self, http: HTTPConnection) -> KeyRecord:
        """The key of a request that may pass.

        Raises:
            NotAuthenticated: it has no valid key.
            NotAllowed: its key has not the right.
        """
        key = presented_key(http.scope)
        record = self._find(key) if key is not None else None
        if record is None:
            raise NotAuthenticated(f"this takes a key with the right of an administrator: {_HOW}")
        if not record.admin:
            raise NotAllowed(f"this key has not the right of an administrator: {_HOW}")
        return record

    def _find(self, key: str) -> KeyRecord | None:
        if self._keyring is None:
            try:
                self._keyring = Keyring(KeyFile(self._folder))
            except KeyFileError as error:
                logger.error("%s", error)
                return None
        return self._keyring.find(key)

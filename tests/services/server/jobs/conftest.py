"""A server that does jobs, in a folder of its own, with clients of several keys."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.services.server.conftest import Connect

from rondo_services.access.control import AccessControl
from rondo_services.access.key_file import KeyFile
from rondo_services.access.keyring import Keyring
from rondo_services.access.keys import Allowance
from rondo_services.access.ledger import Ledger
from rondo_services.access.usage import UsageBook
from rondo_services.local import LocalSuite
from rondo_services.server.settings import ServerSettings

Serving = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return ServerSettings(state_dir=tmp_path)


@pytest.fixture
def serving(suite: LocalSuite, connect: Connect, settings: ServerSettings) -> Serving:
    """A client of a server with these settings, which does jobs if it is `at_work`."""

    @asynccontextmanager
    async def client(
        *, at_work: bool = True, access: AccessControl | None = None, **changes: Any
    ) -> AsyncIterator[httpx.AsyncClient]:
        own = settings.model_copy(update=changes)
        async with connect(suite, own, access=access, at_work=at_work) as connected:
            yield connected

    return client


class Keys:
    """Keys of a server."""

    def __init__(self, folder: Path) -> None:
        self._file = KeyFile(folder)
        self._ledger = Ledger(UsageBook(folder))

    def create(self, name: str, **limits: Any) -> dict[str, str]:
        """A header with a new key."""
        _, key = self._file.create(name, Allowance(**limits), None, datetime.now(UTC))
        return {"Authorization": f"Bearer {key}"}

    def control(self) -> AccessControl:
        """Of the keys that there are now."""
        return AccessControl(Keyring(self._file), self._ledger)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)

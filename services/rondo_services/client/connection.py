"""Where the server is, how it is asked, and when it is asked again. Sends nothing."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from math import inf
from typing import Any

import httpx

from ..engine.requests import PRIORITIES, Priority
from ..errors import InvalidInput
from ..web_variables import variables_as_given
from .errors import retry_after_s

DEFAULT_SERVER = "http://127.0.0.1:8000"
_CONNECT_S = 5.0
_LONGEST_SILENCE_S = 300.0
_MARGIN_S = 5.0
"""The server gives up first, and says so."""
_LONGEST_PAUSE_S = 30
_FIRST_PAUSE_S = 0.25
_NEVER_READ = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
"""Before a byte of reply: the server went away, or was not there yet; asking does no harm twice."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to ask a server.

    Args:
        base_url: empty: the variable RONDO_SERVER, else http://127.0.0.1:8000.
        api_key: sent as a bearer token; empty: the variable RONDO_API_KEY, if it is set.
        priority: "batch" lets others go first.
        timeout_s: how long the server may take for each request that it is sent; None: as long as it allows.
        retries: how often a request is sent again that was refused with Retry-After or never answered.

    Raises:
        InvalidInput: one of them can't be.
    """

    base_url: str = ""
    api_key: str = field(default="", repr=False)
    priority: Priority | None = None
    timeout_s: float | None = None
    retries: int = 2

    def __post_init__(self) -> None:
        address = self.base_url or os.environ.get("RONDO_SERVER") or DEFAULT_SERVER
        if not _is_address(address):
            raise InvalidInput(f"a server is given as http://HOST:PORT or https://…, not {address!r}", field="base_url")
        object.__setattr__(self, "base_url", address.rstrip("/"))
        key = (self.api_key or os.environ.get("RONDO_API_KEY", "")).strip()  # a file that it is read from ends in \n
        if not all("!" <= character <= "~" for character in key):
            raise InvalidInput("an API key has letters, digits and ASCII signs only", field="api_key")
        object.__setattr__(self, "api_key", key)
        if self.priority is not None and self.priority not in PRIORITIES:
            raise InvalidInput(f"priority must be {' or '.join(PRIORITIES)}, not {self.priority!r}", field="priority")
        if self.timeout_s is not None and not 0.001 <= self.timeout_s < inf:
            raise InvalidInput(f"timeout_s must be a number from 0.001, not {self.timeout_s}", field="timeout_s")
        if self.retries < 0:
            raise InvalidInput(f"retries must be 0 or more, not {self.retries}", field="retries")

    @property
    def websocket_url(self) -> str:
        """`base_url` for WebSockets."""
        return "ws" + self.base_url.removeprefix("http")

    def authorization(self) -> dict[str, str]:
        """The header that shows the key, if there is one."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    @property
    def silence_s(self) -> float:
        """How long the server may be silent."""
        return _LONGEST_SILENCE_S if self.timeout_s is None else self.timeout_s + _MARGIN_S

    def headers(self) -> dict[str, str]:
        """Headers of every request, and of the handshake of a WebSocket."""
        own = {"User-Agent": f"rondo-client/{version('rondo-nlp')}", **self.authorization()}
        if self.priority is not None:
            own["X-Priority"] = self.priority
        if self.timeout_s is not None:
            own["X-Request-Timeout-Ms"] = str(round(self.timeout_s * 1000))
        return own

    def timeout(self) -> httpx.Timeout:
        """How long a connection may be silent."""
        return httpx.Timeout(self.silence_s, connect=_CONNECT_S, pool=None)

    def pause_after_refusal(self, status: int, headers: Mapping[str, str], attempt: int) -> float | None:
        """Seconds until the request is worth sending again; None if it is not.

        Args:
            attempt: 0 for the first.
        """
        wait = retry_after_s(headers)
        if attempt >= self.retries or status not in (429, 503) or wait is None or wait > _LONGEST_PAUSE_S:
            return None
        return wait

    def pause_after_failure(self, error: httpx.TransportError, attempt: int) -> float | None:
        """The same after a connection failed before a byte of reply."""
        if attempt >= self.retries or not isinstance(error, _NEVER_READ):
            return None
        return _FIRST_PAUSE_S * 2.0**attempt


def _is_address(address: str) -> bool:
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return False
    in_range = url.port is None or 0 < url.port < 65_536
    return url.scheme in ("http", "https") and bool(url.host) and in_range and not url.query and not url.fragment


@contextmanager
def usable_variables() -> Iterator[None]:
    """As `variables_as_given`, with a client's error.

    Raises:
        InvalidInput: one of them can't be.
    """
    try:
        with variables_as_given():
            yield
    except ValueError as error:
        raise InvalidInput(str(error)) from error


def encoded(body: Mapping[str, Any]) -> bytes:
    """The body of a request.

    Raises:
        InvalidInput: what can't be JSON in UTF-8.
    """
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"the text is not valid Unicode: {error}") from error
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"the request can't be written as JSON: {error}") from error

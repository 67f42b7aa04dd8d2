"""How a registry is told who we are: by what it asks for, a password or a token that another server gives for one.

https://distribution.github.io/distribution/spec/auth/token/
"""

import base64
import json
from collections.abc import Generator
from contextlib import suppress
from urllib.request import parse_http_list, parse_keqv_list

import httpx

from .credentials import Credentials
from .errors import Unreachable
from .web import BodyBeginning, without_credentials

_CLIENT = "rondo"


class RegistryAuth(httpx.Auth):
    """Answers a registry's challenges, and remembers the last answer. Nothing is sent to other hosts than its own."""

    def __init__(self, registry: httpx.URL, credentials: Credentials | None) -> None:
        self._registry = registry
        self._credentials = credentials
        self._answer = ""

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request, and once more with the answer if it was challenged."""
        if not self._is_own(request):
            yield request
            return
        if self._answer:
            request.headers["Authorization"] = self._answer
        response = yield request
        if not self._refuses(response):
            return
        kind, _, rest = response.headers.get("WWW-Authenticate", "").partition(" ")
        asked = parse_keqv_list([part for part in parse_http_list(rest) if part.partition("=")[2]])
        if kind.lower() == "basic" and self._credentials is not None:
            answer = _basic(self._credentials)
        elif kind.lower() == "bearer" and "realm" in asked:
            answer = yield from self._token(asked)
        else:
            raise Unreachable(f"{self._host} does not let in {self._who} (401); `docker login` makes credentials known")
        self._answer = request.headers["Authorization"] = answer
        response = yield request
        if self._refuses(response):
            raise Unreachable(f"{self._host} does not let in {self._who} (401)")

    def _refuses(self, response: httpx.Response) -> bool:
        """Whether the registry itself, not the target of a redirect, wants to know who we are."""
        return response.status_code == httpx.codes.UNAUTHORIZED and self._is_own(response.request)

    def _is_own(self, request: httpx.Request) -> bool:
        return (request.url.scheme, request.url.netloc) == (self._registry.scheme, self._registry.netloc)

    @property
    def _host(self) -> str:
        return self._registry.netloc.decode("ascii")

    @property
    def _who(self) -> str:
        return "anybody" if self._credentials is None else "these credentials"

    def _token(self, asked: dict[str, str]) -> Generator[httpx.Request, httpx.Response, str]:
        realm = self._realm(asked["realm"])
        shown = without_credentials(str(realm))
        wanted: dict[str, str] = {name: asked[name] for name in asked if name in ("service", "scope")}
        own = self._credentials
        if own is not None and own.identity_token:
            form = {**wanted, "grant_type": "refresh_token", "refresh_token": own.identity_token, "client_id": _CLIENT}
            response = yield httpx.Request("POST", realm, data=form)
        else:
            headers = {} if own is None else {"Authorization": _basic(own)}
            response = yield httpx.Request("GET", realm.copy_merge_params(wanted), headers=headers)
        response.stream = BodyBeginning(response.stream)
        content = response.read()
        if not response.is_success:
            raise Unreachable(f"{shown} gives no token to {self._who}: it answered {response.status_code}")
        try:
            answer = json.loads(content)
            return f"Bearer {answer.get('token') or answer['access_token']}"
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Unreachable(f"{shown} answers with something else than a token") from error

    def _realm(self, address: str) -> httpx.URL:
        with suppress(httpx.InvalidURL):
            realm = httpx.URL(address)
            if realm.scheme in ("http", "https") and realm.host:
                return realm
        raise Unreachable(f"{self._host} asks for a token, and does not say of whom")


def _basic(credentials: Credentials) -> str:
    return "Basic " + base64.b64encode(f"{credentials.user}:{credentials.password}".encode()).decode()

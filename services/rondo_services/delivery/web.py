"""Requests over HTTP: encrypted unless told otherwise, with time limits, and failures in a user's words.

No credential of a URL is ever part of a message. Proxies and certificates are those of the standard variables
(HTTPS_PROXY, SSL_CERT_FILE), as httpx has them.
"""

import json
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from netrc import NetrcParseError
from pathlib import Path

import httpx

from ..addresses import is_loopback
from ..web_variables import variables_as_given
from .digests import CHUNK_BYTES, bounded
from .errors import DeliveryError, Unreachable, Unsafe
from .files import write_file

_TIMEOUT = httpx.Timeout(60.0, connect=15.0)
_PAUSES_S = (0.5, 2.0)
_AGAIN = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_MOST_TOLD = 200
_MOST_READ = 1 << 16


class _Passing(Exception):
    """A failure that may be gone the next time."""


@dataclass(frozen=True, slots=True)
class Web:
    """How servers are spoken to.

    Attributes:
        plain_http: whether plain HTTP may be spoken; None: to this machine only.
    """

    plain_http: bool | None = None

    def may_be_plain(self, host: str) -> bool:
        """Whether plain HTTP may be spoken to a host."""
        return is_loopback(host) if self.plain_http is None else self.plain_http

    @contextmanager
    def client(self, auth: httpx.Auth | None) -> Iterator[httpx.Client]:
        """A client that keeps the rules, in redirects, too.

        Raises:
            ValueError: a standard variable can't be, as `variables_as_given` says.
        """

        def check(request: httpx.Request) -> None:
            if request.url.scheme != "https" and not self.may_be_plain(request.url.host):
                raise Unsafe(f"{without_credentials(str(request.url))} is not encrypted (--plain-http allows that)")

        headers = {"Accept-Encoding": "identity"}
        hooks: dict[str, list[Callable[..., None]]] = {"request": [check], "response": [_check_encoding, _keep_short]}
        with variables_as_given():
            made = httpx.Client(auth=auth, timeout=_TIMEOUT, event_hooks=hooks, headers=headers, verify=_certificates())
        with made as client:
            yield client


class BodyBeginning(httpx.SyncByteStream):
    """As much of a body as anybody needs who is not after a bundle, since it may have no end."""

    def __init__(self, body: httpx.SyncByteStream | httpx.AsyncByteStream) -> None:
        assert isinstance(body, httpx.SyncByteStream)
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        count = 0
        for chunk in self._body:
            yield chunk
            count += len(chunk)
            if count > _MOST_READ:
                return

    def close(self) -> None:
        """Close the body."""
        self._body.close()


def _keep_short(reply: httpx.Response) -> None:
    """Httpx itself reads all of a redirect, and of a refusal that it answers."""
    if not reply.is_success:
        reply.stream = BodyBeginning(reply.stream)


def _check_encoding(reply: httpx.Response) -> None:
    """A few bytes of br or zstd, or of one in another, become more than the memory holds before they are counted.

    Raises:
        Unsafe: the reply has such an encoding.
    """
    told = [coding.strip().lower() for coding in reply.headers.get("Content-Encoding", "").split(",")]
    decoded = [coding for coding in told if coding in ("gzip", "deflate", "br", "zstd")]
    if decoded not in ([], ["gzip"], ["deflate"]):
        raise Unsafe(f"{without_credentials(str(reply.url))} answers in {decoded[0]}, which was not asked for")


@cache
def _certificates() -> ssl.SSLContext:
    """Those that are trusted, read once, as that takes a tenth of a second."""
    return httpx.create_ssl_context()


def netrc_of(url: str) -> httpx.Auth | None:
    """The user's .netrc for a URL that has no user itself.

    Raises:
        DeliveryError: it can't be read.
    """
    try:
        return None if httpx.URL(url).userinfo else httpx.NetRCAuth()
    except FileNotFoundError:
        return None
    except NetrcParseError as error:
        if error.filename is None:  # of others than its owner
            raise DeliveryError(error.msg) from error
        place = f"{error.filename}, about line {error.lineno},"  # the message may have a piece of a password
        raise DeliveryError(f"{place} can't be read as a .netrc") from error


def ask(
    client: httpx.Client,
    method: str,
    url: str,
    *,
    content: Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
    also: tuple[int, ...] = (),
) -> httpx.Response:
    """The reply to a request, without its body. HEAD follows redirects.

    Args:
        also: statuses that are no failure besides those from 200 to 299.

    Raises:
        Unreachable: there was none, or it tells of a failure.
    """
    try:
        with client.stream(method, url, content=content, headers=headers, follow_redirects=method == "HEAD") as reply:
            beginning = _beginning(reply)
            if not reply.is_success and reply.status_code not in also:
                raise Unreachable(_told(url, reply.status_code, beginning))
            return reply
    except httpx.HTTPError as error:
        raise Unreachable(_unanswered(url, error)) from error


def download(
    client: httpx.Client, url: str, path: Path, most_bytes: int, headers: Mapping[str, str] | None = None
) -> str:
    """Write what a URL answers with to a new file, and tell its digest. What may be passing is tried three times.

    Raises:
        Unreachable: it does not answer, or with a failure.
        Unsafe: it is more than `most_bytes`.
    """
    for pause_s in (*_PAUSES_S, None):
        try:
            return _download(client, url, path, most_bytes, headers or {})
        except _Passing as error:
            if pause_s is None:
                raise Unreachable(str(error)) from error
            time.sleep(pause_s)
        path.unlink(missing_ok=True)
    raise AssertionError("the last try returns or raises")


def _download(client: httpx.Client, url: str, path: Path, most_bytes: int, headers: Mapping[str, str]) -> str:
    try:
        with client.stream("GET", url, headers=headers, follow_redirects=True) as reply:
            if not reply.is_success:
                failure = _Passing if reply.status_code in _AGAIN else Unreachable
                raise failure(_told(url, reply.status_code, _beginning(reply)))
            return write_file(path, bounded(reply.iter_bytes(CHUNK_BYTES), most_bytes, without_credentials(url)))
    except httpx.TransportError as error:
        raise _Passing(_unanswered(url, error)) from error
    except httpx.HTTPError as error:
        raise Unreachable(_unanswered(url, error)) from error


def without_credentials(url: str) -> str:
    """A URL without user, password, query and fragment."""
    return str(httpx.URL(url).copy_with(username=None, password=None, query=None, fragment=None))


def _unanswered(url: str, error: httpx.HTTPError) -> str:
    return f"{without_credentials(url)} did not answer: {error or type(error).__name__}"


def _beginning(reply: httpx.Response) -> bytes:
    """Of a body; it is all of those that are as short as they should be."""
    content = b""
    for chunk in reply.iter_bytes():
        content += chunk
        if len(content) > _MOST_READ:
            break
    return content


def _told(url: str, status: int, body: bytes) -> str:
    """A failure as a server tells it; registries have a form for it."""
    reasons = [HTTPStatus(status).phrase if status in list(HTTPStatus) else ""]
    with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
        reasons += [f"{one['code']}: {one.get('message') or ''}" for one in json.loads(body)["errors"]]
    reason = "; ".join(reason for reason in reasons if reason)
    reason = "".join(character if character.isprintable() else " " for character in reason)[:_MOST_TOLD]
    return f"{without_credentials(url)} answered {status} {reason}".rstrip()

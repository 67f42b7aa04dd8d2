"""The standard variables for proxies and certificates, which httpx reads, and what is wrong with one in a user's words.

No value is repeated, as a proxy's address may have a password.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@contextmanager
def variables_as_given() -> Iterator[None]:
    """For a client of httpx that is made in it.

    Raises:
        ValueError: a variable names what is no proxy, or certificates that can't be read.
    """
    try:
        yield
    except OSError as error:
        given = [name for name in _CERTIFICATES if os.environ.get(name)]
        if not given:
            raise
        raise ValueError(f"{given[0]}: no certificates can be read from {os.environ[given[0]]}: {error}") from error
    except (httpx.InvalidURL, ValueError, ImportError) as error:
        if (wrong := _wrong_proxy()) is None:
            raise
        raise ValueError(wrong) from error


def _wrong_proxy() -> str | None:
    for name in (name for name in os.environ if name.upper() in _PROXIES and os.environ[name]):
        try:
            httpx.HTTPTransport(verify=False, proxy=_with_scheme(os.environ[name])).close()
        except ImportError as error:
            return f"{name}: {error}"
        except (httpx.InvalidURL, ValueError):
            return f"{name} is no address of a proxy, as http://HOST:PORT is"
    if any(name.upper() == "NO_PROXY" for name in os.environ):
        return "NO_PROXY is no list of hosts, as localhost,.example.com is"
    return None


def _with_scheme(address: str) -> str:
    """As httpx completes it."""
    return address if "://" in address else f"http://{address}"

"""What is wrong with a variable for proxies or certificates is told with its name, and without a password in it."""

from pathlib import Path

import httpx
import pytest

from rondo_services.web_variables import variables_as_given


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def _told() -> str:
    with pytest.raises(ValueError, match=r".") as caught, variables_as_given():
        httpx.Client()
    return str(caught.value)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("value", ["::bad", "ftp://h.test", "http://me:hush/hush@h.test:x"])
def test_a_proxy_that_is_none(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.setenv(name, value)
    assert _told() == f"{name} is no address of a proxy, as http://HOST:PORT is"


def test_hosts_without_a_proxy_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", "[::1")
    assert _told() == "NO_PROXY is no list of hosts, as localhost,.example.com is"


def test_certificates_that_are_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere.pem"))
    assert _told().startswith(f"SSL_CERT_FILE: no certificates can be read from {tmp_path}/nowhere.pem: ")
    (tmp_path / "nowhere.pem").write_text("none")
    assert _told().startswith(f"SSL_CERT_FILE: no certificates can be read from {tmp_path}/nowhere.pem: ")


def test_what_they_are_not_to_blame_for_stays_as_it_is() -> None:
    with pytest.raises(ValueError, match=r"^else$"), variables_as_given():
        raise ValueError("else")
    with pytest.raises(OSError, match=r"^else$"), variables_as_given():
        raise OSError("else")

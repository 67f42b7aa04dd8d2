"""Where the server is and how it is asked."""

import pytest

from rondo_services.client import AsyncClient, Client
from rondo_services.client.connection import DEFAULT_SERVER, Connection, encoded
from rondo_services.errors import InvalidInput


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RONDO_SERVER", raising=False)
    monkeypatch.delenv("RONDO_API_KEY", raising=False)


def test_what_is_given_counts_before_the_environment_and_that_before_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (Connection().base_url, Connection().authorization()) == (DEFAULT_SERVER, {})
    monkeypatch.setenv("RONDO_SERVER", "https://texts.test/rondo/")
    monkeypatch.setenv("RONDO_API_KEY", "secret\n")
    assert Connection().base_url == "https://texts.test/rondo"
    assert Connection().websocket_url == "wss://texts.test/rondo"
    assert Connection().headers()["Authorization"] == "Bearer secret"
    given = Connection("http://127.0.0.1:1", "own")
    assert (given.base_url, given.authorization()) == ("http://127.0.0.1:1", {"Authorization": "Bearer own"})


def test_a_key_is_not_shown() -> None:
    assert "secret" not in repr(Connection(api_key="secret"))


def test_terms_go_into_headers() -> None:
    headers = Connection(priority="batch", timeout_s=1.5).headers()
    assert headers["X-Priority"] == "batch"
    assert headers["X-Request-Timeout-Ms"] == "1500"
    assert not {"X-Priority", "X-Request-Timeout-Ms", "Authorization"} & Connection().headers().keys()


def test_the_server_gives_up_before_the_client_does() -> None:
    read_s = Connection(timeout_s=1.5).timeout().read
    assert read_s is not None
    assert read_s > 1.5


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1:8000", "ftp://a.test", "http://", "http://a.test:99999", "http://a.test:x"),
        *("http://a.test/?key=1", "http://a.test/#top"),
    ],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="http://HOST:PORT") as caught:
        Connection(address)
    assert caught.value.field == "base_url"


@pytest.mark.parametrize("key", ["schlüssel", "two words", "two\nlines"])
def test_a_key_that_fits_no_header_is_refused_and_not_repeated(key: str) -> None:
    """It was a UnicodeEncodeError once."""
    with pytest.raises(InvalidInput, match="API key") as caught:
        Connection(api_key=key)
    assert key not in str(caught.value)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf")])
def test_a_timeout_that_is_none_is_refused(timeout_s: float) -> None:
    with pytest.raises(InvalidInput, match="timeout_s"):
        Connection(timeout_s=timeout_s)


def test_other_settings_that_can_not_be_are_refused() -> None:
    with pytest.raises(InvalidInput, match="interactive or batch, not 'now'"):
        Connection(priority="now")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="retries"):
        Connection(retries=-1)


def test_a_body_is_json_in_utf8() -> None:
    assert encoded({"text": "배 \x00"}) == '{"text": "배 \\u0000"}'.encode()


@pytest.mark.parametrize("value", ["\ud800", float("nan"), b"bytes", object()])
def test_what_is_no_json_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        encoded({"text": value})


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_proxy_that_is_none_is_told_as_what_else_is_given(monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    """It was a traceback of every command with --server."""
    monkeypatch.setenv("HTTPS_PROXY", "::bad")
    with pytest.raises(InvalidInput, match=r"^HTTPS_PROXY is no address of a proxy"):
        kind()

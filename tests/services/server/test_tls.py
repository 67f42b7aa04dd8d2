"""The certificate is looked at before the server starts."""

from pathlib import Path

import pytest
from tests.certificates import Certificate, new_certificate

from rondo_services.server.settings import ServerSettings
from rondo_services.server.tls import check_certificate


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return new_certificate(tmp_path, password="secret")


def test_without_one_there_is_no_tls() -> None:
    assert not check_certificate(ServerSettings())


def test_a_good_one(certificate: Certificate) -> None:
    assert check_certificate(
        ServerSettings(ssl_certfile=certificate.chain, ssl_keyfile=certificate.key, ssl_keyfile_password="secret")
    )


@pytest.mark.parametrize("password", ["", "not-it"])
def test_a_wrong_password_is_said_and_not_shown(certificate: Certificate, password: str) -> None:
    settings = ServerSettings(
        ssl_certfile=certificate.chain, ssl_keyfile=certificate.key, ssl_keyfile_password=password
    )
    with pytest.raises(ValueError, match=r"can't be used: .* or not the key's password") as caught:
        check_certificate(settings)
    assert "not-it" not in str(caught.value)
    assert "secret" not in repr(ServerSettings(ssl_keyfile_password="secret"))


def test_a_key_alone_is_a_mistake(certificate: Certificate) -> None:
    with pytest.raises(ValueError, match="not --ssl-certfile"):
        check_certificate(ServerSettings(ssl_keyfile=certificate.key))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.pem can't be used: No such file"):
        check_certificate(ServerSettings(ssl_certfile=tmp_path / "none.pem"))

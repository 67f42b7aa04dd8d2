"""The server's certificate, looked at before anything is started."""

import ssl

from .settings import ServerSettings


def check_certificate(settings: ServerSettings) -> bool:
    """Whether the server speaks TLS.

    Raises:
        ValueError: only one of certificate and key is set, or they can't be used.
    """
    certificate, key = settings.ssl_certfile, settings.ssl_keyfile
    if certificate is None:
        if key is not None:
            raise ValueError("--ssl-keyfile is set, but not --ssl-certfile")
        return False
    password = settings.ssl_keyfile_password.get_secret_value()
    try:
        # bytes, since an empty password must not become a question on the terminal
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password.encode())
    except OSError as error:  # ssl.SSLError is one
        files = " and ".join(str(path) for path in (certificate, key) if path is not None)
        reason = error.strerror
        if isinstance(error, ssl.SSLError):  # which does not tell these apart
            reason = "no certificate and private key in PEM format that belong together, or not the key's password"
        raise ValueError(f"{files} can't be used: {reason}") from error
    return True

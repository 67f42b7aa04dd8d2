"""A server for archives and a registry for artifacts, as small as they can be and still be real.

The registry keeps to the distribution specification where a client can tell: it checks digests, lets no manifest name
blobs that it lacks, and challenges whoever is unknown.
"""

import base64
import hashlib
import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

USER, PASSWORD = "rondo", "open sesame"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
TOKEN = "token-of-the-test"
LONG_BYTES = 64 << 20


class Server(ThreadingHTTPServer):
    """What it keeps, and what it was asked.

    Attributes:
        blobs: by digest, of the registry.
        manifests: by tag and by digest, of the registry.
        files: by path, of the server for archives.
        asked: method and path of each request.
        num_long_bytes: that were taken of those bodies.
        authorizations: what each request to a path brought.
        challenge: empty, basic or bearer.
        failures: by path, statuses that are answered first.
        moved: by path, where it is said to be.
        long: paths whose replies, whatever they are, have a body of `LONG_BYTES`.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.authorizations: list[tuple[str, str]] = []
        self.challenge = ""
        self.failures: dict[str, list[int]] = {}
        self.moved: dict[str, str] = {}
        self.long: set[str] = set()
        self.num_long_bytes = 0

    @property
    def host(self) -> str:
        """With the port."""
        return f"127.0.0.1:{self.server_port}"

    def gets_of_blobs(self) -> int:
        """How many blobs were downloaded."""
        return sum(method == "GET" and "/blobs/" in path for method, path in self.asked)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""

    def _reply(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if urlsplit(self.path).path in self.server.long:
            self._long()
            return
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _long(self) -> None:
        self.send_header("Content-Length", str(LONG_BYTES))
        self.end_headers()
        self.close_connection = True
        with suppress(ConnectionError):
            for _ in range(LONG_BYTES >> 16):
                self.wfile.write(bytes(1 << 16))
                self.server.num_long_bytes += 1 << 16

    def _error(self, status: int, code: str, **headers: str) -> None:
        self._reply(status, json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode(), **headers)

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        brought = self.headers.get("Authorization", "")
        self.server.asked.append((self.command, path))
        self.server.authorizations.append((path, brought))
        if self.server.failures.get(path):
            self._error(self.server.failures[path].pop(0), "UNWELL")
        elif path in self.server.moved:
            self._reply(307, Location=self.server.moved[path])
        elif path == "/token":
            self._token(brought, query, body)
        elif path.startswith("/v2/"):
            self._registry(path, query, body, brought)
        else:
            self._archives(path, body)

    do_GET = do_HEAD = do_PUT = do_POST = _handle

    def _archives(self, path: str, body: bytes) -> None:
        if self.command == "PUT":
            self.server.files[path] = body
            self._reply(201)
        elif path in self.server.files:
            self._reply(200, self.server.files[path])
        else:
            self._reply(404)

    def _token(self, brought: str, query: dict[str, str], body: bytes) -> None:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if brought == BASIC or form.get("refresh_token") == PASSWORD:
            self._reply(200, json.dumps({"token": TOKEN + (query | form)["scope"]}).encode())
        else:
            self._reply(401)

    def _registry(self, path: str, query: dict[str, str], body: bytes, brought: str) -> None:
        found = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/(.+)", path)
        assert found is not None
        repository, kind, name = found.groups()
        scope = f"repository:{repository}:pull" + (",push" if self.command in ("POST", "PUT") else "")
        if self.server.challenge == "basic" and brought != BASIC:
            self._error(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="rondo"')
        elif self.server.challenge == "bearer" and not brought.startswith(f"Bearer {TOKEN}{scope}"):
            realm = f'realm="http://{self.server.host}/token",service="test",scope="{scope}"'
            self._error(401, "UNAUTHORIZED", WWW_Authenticate=f"Bearer {realm}")
        elif kind == "manifests":
            self._manifest(name, body)
        else:
            self._blob(repository, name, query, body)

    def _manifest(self, name: str, body: bytes) -> None:
        kept = self.server.manifests
        if self.command == "PUT":
            told = json.loads(body)
            lacking = [
                one["digest"] for one in (*told["layers"], told["config"]) if one["digest"] not in self.server.blobs
            ]
            if lacking:
                self._error(400, "MANIFEST_BLOB_UNKNOWN")
                return
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
            kept[name] = kept[digest] = body
            self._reply(201, Docker_Content_Digest=digest)
        elif name in kept:
            self._reply(200, kept[name], Content_Type="application/vnd.oci.image.manifest.v1+json")
        else:
            self._error(404, "MANIFEST_UNKNOWN")

    def _blob(self, repository: str, name: str, query: dict[str, str], body: bytes) -> None:
        kept = self.server.blobs
        if self.command == "POST":
            self._reply(202, Location=f"/v2/{repository}/blobs/uploads/one?state=of-the-upload")
        elif self.command == "PUT":
            if query.get("state") != "of-the-upload" or query["digest"] != f"sha256:{hashlib.sha256(body).hexdigest()}":
                self._error(400, "DIGEST_INVALID")
                return
            kept[query["digest"]] = body
            self._reply(201)
        elif name in kept:
            self._reply(200, kept[name])
        else:
            self._error(404, "BLOB_UNKNOWN")


@contextmanager
def running_server(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """One on a free port of this machine."""
    with Server() as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

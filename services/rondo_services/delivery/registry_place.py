"""A bundle in a repository of an OCI registry. Its digest is that of the manifest there.

Speaks the distribution specification itself: the library oras (0.2.43) checks no digest, bounds no size and tries again
for minutes whatever the failure.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from rondo_models.manifest import MANIFEST

from .artifact import EMPTY, MANIFEST_TYPE, artifact_of, read_artifact
from .credentials import credentials_for
from .digests import chunks_of, digest_of, require_digest
from .errors import Unreachable, Unsafe, WrongDigest
from .files import MOST_MANIFEST_BYTES, BundleFile, WholeBundle, require_listed, write_file
from .registry_auth import RegistryAuth
from .web import Web, ask, download

_API_HOSTS = {"docker.io": "registry-1.docker.io"}
_IS_NOT = 404


@dataclass(frozen=True, slots=True)
class RegistryPlace:
    """A tag or a digest of a repository, as `Place` has it.

    Attributes:
        host: of the registry, with its port if it has one.
        tag: empty if only a digest is given.
    """

    host: str
    repository: str
    tag: str
    pin: str | None
    web: Web = field(repr=False)

    @property
    def shown(self) -> str:
        """As it is written in a command."""
        tag, pin = self.tag and f":{self.tag}", f"@{self.pin}" if self.pin else ""
        return f"oci://{self.host}/{self.repository}{tag}{pin}"

    def fetch(self, folder: Path, at_hand: WholeBundle | None) -> str:
        """Download the files that are not at hand, the manifests first, and each only to be what these say."""
        with self._client() as client:
            told = self._told(client, folder)
            digest = digest_of(told)
            require_digest(digest, self.pin, self.shown)
            own, *others = read_artifact(told, self.shown)
            if own.size > MOST_MANIFEST_BYTES:
                raise Unsafe(f"{MANIFEST} of {self.shown} is larger than {MOST_MANIFEST_BYTES} bytes")
            self._get(client, own, folder)
            listed = require_listed((file.name for file in others), (folder / MANIFEST).read_bytes())
            there = {} if at_hand is None else {file: at_hand.folder / file.name for file in at_hand.files}
            for file in others:
                require_digest(file.digest, listed[file.name], f"{file.name} of {self.shown}")
                if file in there:
                    write_file(folder / file.name, chunks_of(there[file]))
                else:
                    self._get(client, file, folder)
        return digest

    def store(self, bundle: WholeBundle) -> str:
        """Upload the files that are not there yet, then the manifest, which makes them a bundle."""
        manifest = artifact_of(bundle)
        digest = digest_of(manifest)
        require_digest(digest, self.pin, str(bundle.folder))
        with self._client() as client:
            self._put(client, BundleFile("", len(EMPTY), digest_of(EMPTY)), [EMPTY])
            for file in bundle.files:
                self._put(client, file, _Pieces(bundle.folder / file.name))
            headers = {"Content-Type": MANIFEST_TYPE, "Content-Length": str(len(manifest))}
            url = f"{self._url}/manifests/{self.tag or digest}"
            reply = ask(client, "PUT", url, content=[manifest], headers=headers)
        kept = reply.headers.get("Docker-Content-Digest", digest)
        if kept != digest:
            raise WrongDigest(f"{self.host} keeps {self.shown} as {kept}, and was sent {digest}")
        return digest

    def digest(self, bundle: WholeBundle) -> str:
        """Of its manifest."""
        return digest_of(artifact_of(bundle))

    @property
    def _url(self) -> str:
        return f"{self._registry}v2/{self.repository}"

    @property
    def _registry(self) -> httpx.URL:
        host = _API_HOSTS.get(self.host, self.host)
        url = httpx.URL(f"https://{host}/")
        return url.copy_with(scheme="http") if self.web.may_be_plain(url.host) else url

    @contextmanager
    def _client(self) -> Iterator[httpx.Client]:
        auth = RegistryAuth(self._registry, credentials_for(self.host, os.environ, _home()))
        with self.web.client(auth) as client:
            yield client

    def _told(self, client: httpx.Client, folder: Path) -> bytes:
        """The registry's manifest, as it sends it."""
        url = f"{self._url}/manifests/{self.pin or self.tag}"
        path = folder.with_suffix(".json")
        try:
            download(client, url, path, MOST_MANIFEST_BYTES, {"Accept": MANIFEST_TYPE})
            return path.read_bytes()
        finally:
            path.unlink(missing_ok=True)

    def _get(self, client: httpx.Client, file: BundleFile, folder: Path) -> None:
        found = download(client, f"{self._url}/blobs/{file.digest}", folder / file.name, file.size)
        require_digest(found, file.digest, f"{file.name} of {self.shown}")

    def _put(self, client: httpx.Client, file: BundleFile, content: Iterable[bytes]) -> None:
        if ask(client, "HEAD", f"{self._url}/blobs/{file.digest}", also=(_IS_NOT,)).status_code != _IS_NOT:
            return
        begun = ask(client, "POST", f"{self._url}/blobs/uploads/", headers={"Content-Length": "0"})
        if "Location" not in begun.headers:
            raise Unreachable(f"{self.host} does not say where to upload to")
        try:
            url = begun.url.join(begun.headers["Location"]).copy_merge_params({"digest": file.digest})
        except httpx.InvalidURL as error:
            raise Unreachable(f"{self.host} says to upload to where nothing can be") from error
        headers = {"Content-Length": str(file.size), "Content-Type": "application/octet-stream"}
        ask(client, "PUT", str(url), content=content, headers=headers)


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # a user that the system has no entry of, as containers may have
        return None


class _Pieces:
    """A file's content, which can be sent more than once, as a challenge may ask for."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[bytes]:
        return chunks_of(self._path)

"""The client for those who may exchange what a server serves; its key needs the right of an administrator."""

from ..server.schema import BundleList, BundleReply, CanaryRequest, ChangeReply, ReloadRequest
from .connection import encoded
from .operations import parsed
from .sync import Client

_BUNDLES = "/v1/bundles"


class BundlesClient(Client):
    """As `Client`, with the administration of bundles besides."""

    def bundles(self) -> list[BundleReply]:
        """All served names with their releases, the default first."""
        listed: BundleList = parsed(BundleList, self._content("GET", _BUNDLES))
        return listed.data

    def reload(self, name: str, path: str | None = None, canary: float | None = None) -> ChangeReply:
        """Have the bundle in a folder of the server answer; returns once it does.

        Args:
            path: by default the folder that is served, read anew.
            canary: share of the requests; None: all.
        """
        request = ReloadRequest(path=path, canary=canary)
        return self._change(name, "reload", encoded(request.model_dump(exclude_none=True)))

    def promote(self, name: str) -> ChangeReply:
        """Have the canary answer all requests."""
        return self._change(name, "promote")

    def rollback(self, name: str) -> ChangeReply:
        """Have the release answer that was current before."""
        return self._change(name, "rollback")

    def set_canary_share(self, name: str, share: float) -> BundleReply:
        """Give the canary another share of the requests."""
        body = encoded(CanaryRequest(share=share).model_dump())
        told: BundleReply = parsed(BundleReply, self._content("PUT", f"{_BUNDLES}/{name}/canary", body))
        return told

    def drop_canary(self, name: str) -> BundleReply:
        """Have the current release answer all requests."""
        told: BundleReply = parsed(BundleReply, self._content("DELETE", f"{_BUNDLES}/{name}/canary"))
        return told

    def _change(self, name: str, what: str, body: bytes = b"{}") -> ChangeReply:
        path = f"{_BUNDLES}/{name}/{what}"
        told: ChangeReply = parsed(ChangeReply, self._content("POST", path, body, repeatable=False))
        return told

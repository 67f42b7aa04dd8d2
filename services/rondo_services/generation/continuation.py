"""States of the model that clients keep, so that a later request goes on without sending the text again.

A state is opaque and authenticated: it tells of which bundle it is, and nobody without the key can make or change one.
"""

import base64
import binascii
import hashlib
import hmac
import secrets

from ..errors import MalformedState

_MAC_BYTES = 16
_ID_BYTES = 4


class StateSealer:
    """Makes and opens the `state` of `/v1/generate`.

    Args:
        key: shared by all replicas that are to understand each other's states; empty: one is drawn, and states are
            good for this process only.
        fingerprint: of the bundle.
    """

    def __init__(self, key: str, fingerprint: str) -> None:
        self._key = key.encode() or secrets.token_bytes(32)
        self._fingerprint = fingerprint.encode()

    def _mac(self, content: bytes) -> bytes:
        return hmac.new(self._key, self._fingerprint + b"/state/1/" + content, hashlib.sha256).digest()[:_MAC_BYTES]

    def seal(self, pending_id: int, state: bytes) -> str:
        """What the client gets: the state, and the id that was written but not read."""
        content = pending_id.to_bytes(_ID_BYTES, "big") + state
        return base64.urlsafe_b64encode(self._mac(content) + content).decode()

    def open(self, sealed: str) -> tuple[int, bytes]:
        """The id and the state.

        Raises:
            MalformedState: it is none, was changed, or is of another bundle or key.
        """
        try:
            raw = base64.b64decode(sealed.encode(), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            raise MalformedState("state is not one that /v1/generate gave: it is no base64", field="state") from error
        mac, content = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if len(content) <= _ID_BYTES or not hmac.compare_digest(mac, self._mac(content)):
            message = "state was changed, or comes from another bundle or a server with another RONDO_STATE_KEY"
            raise MalformedState(message, field="state")
        return int.from_bytes(content[:_ID_BYTES], "big"), content[_ID_BYTES:]

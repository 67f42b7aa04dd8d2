"""An engine that several ingresses ask, each over a connection of its own. Knows no Ray and no text.

What the engine does beside answering is told to the ingress that has been there for longest, so that nothing is counted
twice.
"""

import hmac
import logging
import selectors
import socket
import threading
import time
from importlib.metadata import version
from typing import Any

import torch

from ..engine.admission import Entrance, Queue
from ..engine.asker import Asker, EngineReporter
from ..engine.core import EngineCore
from ..engine.messages import TICK
from ..errors import EngineFailed
from .messages import LEAVING, WELCOME

logger = logging.getLogger("rondo")

_MOST_UNSENT_BYTES = 64_000_000
"""To an ingress that does not read; then its connection is closed."""

_TELL_EVERY_S = 0.005
"""How often one of those is told of the load that have no other news; so the more there are, the seldomer each is."""

_LEAST_PAUSE_S = 0.05

_LOOK_EVERY_S = 1.0
_FLUSH_EVERY_S = 0.005
_STRANGER_S = 5.0
"""How long somebody may be connected without a token."""


class _Stream:
    """A non-blocking socket to which more can be written than it takes now."""

    def __init__(self, own: socket.socket) -> None:
        own.setblocking(False)
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = own
        self.unsent = bytearray()

    def recv(self, size: int, flags: int) -> bytes:
        return self.socket.recv(size, flags)

    def sendall(self, content: bytes) -> None:
        self.unsent += content
        self.flush()

    def flush(self) -> None:
        """Write what the socket takes.

        Raises:
            ConnectionError: the other side is not there any more, or does not read.
        """
        while self.unsent:
            try:
                count = self.socket.send(self.unsent)
            except BlockingIOError:
                if len(self.unsent) > _MOST_UNSENT_BYTES:
                    raise ConnectionAbortedError("an ingress does not read its answers") from None
                return
            del self.unsent[:count]


class _Ingress(Asker):
    """A connection, of a stranger until the token has come."""

    def __init__(self, stream: _Stream, hub: "Hub", entrance: Entrance) -> None:
        super().__init__(stream, hub.core, lambda ticket: entrance.admit([ticket], hub.queue()))
        self.stream = stream
        self.came_at = self.told_at = time.monotonic()
        self.is_known = False
        self._token = b""
        self._hub = hub

    def receive(self) -> bool:
        if self.is_known:
            return super().receive()
        wanted = self._hub.token
        try:
            content = self.stream.recv(len(wanted) - len(self._token), 0)
        except BlockingIOError:
            return True
        self._token += content
        if len(self._token) == len(wanted):
            if not hmac.compare_digest(self._token, wanted):
                raise ConnectionRefusedError("somebody connected who does not know the token")
            self.is_known = True
            self.send([WELCOME, *self._hub.description(), time.monotonic()])
        return bool(content)


class Hub:
    """The engine's thread, and the connections of those who ask it.

    Args:
        entrance: what the engine takes of all ingresses together.
        fingerprint: of the bundle.
        host: the address on which to listen.
        token: that those must know who ask.
        max_wait_s: how long the first request of an idle engine waits for company, if there was any last time.

    Attributes:
        port: on which it listens.
        seen_at: second of the monotonic clock when the engine's thread last began a round.
    """

    def __init__(
        self,
        core: EngineCore,
        reporter: EngineReporter,
        entrance: Entrance,
        fingerprint: str,
        host: str,
        token: bytes,
        max_wait_s: float,
        num_threads: int = 1,
    ) -> None:
        self.core = core
        self.token = token
        self.seen_at = time.monotonic()
        self._reporter = reporter
        self._entrance = entrance
        self._fingerprint = fingerprint
        self._max_wait_s = max_wait_s
        self._num_threads = num_threads
        self._ingresses: list[_Ingress] = []
        self._strangers: list[_Ingress] = []
        self._is_leaving = False
        self._has_left = False
        self._closing = False
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server((host, 0), backlog=128)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        for own in (self._listener, self._wake):
            self._selector.register(own, selectors.EVENT_READ)
        core.after_group = self._tell_what_ended
        self._thread = threading.Thread(target=self._run, name="rondo-engine", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether the engine's thread runs."""
        return self._thread.is_alive()

    @property
    def held(self) -> int:
        """Requests that have not ended."""
        return sum(map(len, self._ingresses))

    @property
    def is_idle(self) -> bool:
        """Whether everybody has got what was asked for. From any thread."""
        return not self.held and not any(own.has_news or own.stream.unsent for own in self._ingresses)

    def queue(self) -> Queue:
        """What waits now."""
        scheduler = self.core.scheduler
        return Queue(len(scheduler), scheduler.waiting_tokens, self._reporter.finished_per_s(time.monotonic()))

    def description(self) -> list[Any]:
        """What those are told who connect."""
        core = self.core
        return [version("rondo-nlp"), self._fingerprint, core.precision, core.is_batch_invariant]

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def leave(self) -> None:
        """Ask for no more requests; those that come are answered all the same. From any thread."""
        self._is_leaving = True
        self._waker.send(b"!")

    def close(self) -> None:
        """Close all connections, whoever waits, and end. From any thread."""
        if not self._closing:
            self._closing = True
            self._waker.send(b"!")
            self._thread.join()
            self._wake.close()
            self._waker.close()

    def _run(self) -> None:
        torch.set_num_threads(self._num_threads)
        try:
            with torch.inference_mode():
                while not self._closing:
                    self._exchange()
                    if not self.core.is_idle:
                        self.core.tick()
                    self._tell_all()
        except BaseException:
            logger.exception("the engine has failed")
            raise
        finally:  # not told one by one: an ingress that loses the connection asks another engine
            for ingress in (*self._ingresses, *self._strangers):
                ingress.stream.socket.close()
            self.core.end(EngineFailed("the engine has stopped"))
            self._listener.close()
            self._selector.close()

    def _exchange(self) -> None:
        """Take what has come; wait for something if there is nothing to do, or a little for company."""
        self.seen_at = time.monotonic()
        if self.core.is_idle:
            self._take(_FLUSH_EVERY_S if any(own.stream.unsent for own in self._ingresses) else _LOOK_EVERY_S)
        else:
            self._take(0.0)
        deadline = time.monotonic() + self._max_wait_s
        while not self.core.is_idle and self.core.may_wait_for_company and (left := deadline - time.monotonic()) > 0:
            if not self._take(left):
                break

    def _take(self, timeout_s: float) -> bool:
        """Take what comes within this time; whether something has."""
        ready = self._selector.select(timeout_s)
        for key, _ in ready:
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is self._wake:
                self._wake.recv(64)
            else:
                self._listen_to(key.data)
        return bool(ready)

    def _accept(self) -> None:
        try:
            own, _ = self._listener.accept()
        except OSError:  # it has gone again
            return
        stranger = _Ingress(_Stream(own), self, self._entrance)
        self._strangers.append(stranger)
        self._selector.register(own, selectors.EVENT_READ, stranger)

    def _listen_to(self, ingress: _Ingress) -> None:
        try:
            is_there = ingress.receive()
        except OSError as error:
            logger.warning("a connection was closed: %s", error)
            is_there = False
        except Exception:  # of one ingress; the others go on
            logger.exception("a connection was closed on which something strange came")
            is_there = False
        if not is_there:
            self._drop(ingress)
        elif ingress.is_known and ingress in self._strangers:
            self._strangers.remove(ingress)
            self._ingresses.append(ingress)
            self._tell(ingress)

    def _drop(self, ingress: _Ingress) -> None:
        """Nobody waits any more for what was asked there."""
        for own in (self._ingresses, self._strangers):
            if ingress in own:
                own.remove(ingress)
                self._selector.unregister(ingress.stream.socket)
                ingress.stream.socket.close()
                ingress.leave()

    def _tell_what_ended(self) -> None:
        """So that some get their answers while the next ones are read."""
        for ingress in list(self._ingresses):
            if ingress.has_answers:
                self._tell(ingress)

    def _tell_all(self) -> None:
        """Tell those who have news, and now and then the others how much there is to do."""
        now, is_idle = time.monotonic(), self.core.is_idle
        for stranger in list(self._strangers):
            if now - stranger.came_at > _STRANGER_S:
                self._drop(stranger)
        pause_s = max(_LEAST_PAUSE_S, _TELL_EVERY_S * len(self._ingresses))
        for ingress in list(self._ingresses):
            if ingress.has_news or is_idle or now - ingress.told_at > pause_s:
                self._tell(ingress)
        if self._is_leaving and not self._has_left:
            self._has_left = True
            for ingress in list(self._ingresses):
                self._send(ingress, [LEAVING])

    def _tell(self, ingress: _Ingress) -> None:
        report = ingress.take_report()
        if ingress is self._ingresses[0]:
            self._reporter.move_to(report)
        ingress.told_at = now = time.monotonic()
        self._send(ingress, [TICK, report.values(), self.held, self._reporter.finished_per_s(now)])

    def _send(self, ingress: _Ingress, message: list[Any]) -> None:
        try:
            ingress.send(message)
        except OSError as error:
            logger.warning("a connection was closed: %s", error)
            self._drop(ingress)

"""A client of a bundle that runs in this process: the server's app without a socket, so its answers are the server's.

Needs torch and the server's framework, unlike `rondo_services.client` itself.
"""

import asyncio
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp, Message

from .client.sync import Client
from .local import OFFLINE, load_suite
from .releases.fleet import Fleet
from .server.app import create_app
from .server.metrics import ServerMetrics
from .server.settings import ServerSettings, default_bundle

_A_YEAR_S = 366 * 86_400.0
_MOST_BYTES = 2**30


@contextmanager
def local_client(bundle: Path | None = None, services: Sequence[str] | None = None) -> Iterator[Client]:
    """A client of a bundle's services in this process, which ends with the `with` statement.

    Args:
        bundle: by default the one that comes with Rondo.
        services: those that are needed; None: all.

    Raises:
        BundleError: the bundle can't be used.
        InvalidInput: it lacks a service.
    """
    suite = load_suite(bundle or default_bundle(), services, limits=OFFLINE)
    try:
        # not ServerSettings(): what the environment says of servers is not meant for this process
        settings = ServerSettings.model_construct(timeout_s=_A_YEAR_S, max_body_bytes=_MOST_BYTES)
        app = create_app(Fleet.of(suite), settings, ServerMetrics())
        with Client("http://rondo.invalid", transport=InProcess(app)) as client:
            yield client
    finally:
        suite.close()


class InProcess(httpx.BaseTransport):
    """Hands requests to an ASGI app on an event loop of its own thread; replies can be read while they are written."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rondo-app", daemon=True)
        self._thread.start()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The reply, once its head is there.

        Raises:
            Exception: the one that the app ended with before.
        """
        exchange = _Exchange(self._app, request, self._loop)
        try:
            head = exchange.next()
        except BaseException:  # such as an interrupt of whoever waits
            exchange.close()
            raise
        assert head is not None, "an app answers"
        return httpx.Response(head["status"], headers=head["headers"], stream=exchange)

    def close(self) -> None:
        """Give up what is being answered, and end the thread."""
        asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Exchange(httpx.SyncByteStream):
    """One request and its reply, whose messages come through a queue; None is the end."""

    def __init__(self, app: ASGIApp, request: httpx.Request, loop: asyncio.AbstractEventLoop) -> None:
        self._app = app
        self._request = request
        self._messages: queue.SimpleQueue[Message | BaseException | None] = queue.SimpleQueue()
        self._task = asyncio.run_coroutine_threadsafe(self._run(), loop)

    def next(self) -> Message | None:
        """The next message of the app, waited for on this thread."""
        message = self._messages.get()
        if isinstance(message, BaseException):
            raise message
        return message

    def __iter__(self) -> Iterator[bytes]:
        while (message := self.next()) is not None:
            yield message.get("body", b"")

    def close(self) -> None:
        """Go away, as a client that closes its connection."""
        self._task.cancel()

    async def _run(self) -> None:
        arrivals: asyncio.Queue[Message] = asyncio.Queue()  # after the body nothing comes: `close` cancels instead
        arrivals.put_nowait({"type": "http.request", "body": self._request.read(), "more_body": False})

        async def send(message: Message) -> None:
            self._messages.put(message)

        try:
            await self._app(_scope(self._request), arrivals.get, send)
            self._messages.put(None)
        except BaseException as error:
            self._messages.put(error)
            raise


def _scope(request: httpx.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,  # which httpx has unquoted
        "raw_path": request.url.raw_path.partition(b"?")[0],
        "query_string": request.url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": (request.url.host, request.url.port),
        "client": ("127.0.0.1", 0),
        "state": {},
    }


async def _cancel_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)

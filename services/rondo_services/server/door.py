"""The way in: requests for which there is no place are refused at once, the others come in a few at a time.

What is let in is validated and tokenised in small portions, a portion a round of the event loop, and so are answers put
into words; between two rounds the loop refuses what has come meanwhile. A place is kept for a request from when its
body is there until it is in the engine's queue: so nothing is prepared in vain, and a client that sends its body slowly
takes no place from others.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Container
from contextlib import AbstractContextManager
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..engine.port import PlaceKeeper
from ..errors import Overloaded
from .parts import note_part
from .refusal import refuse
from .shapes import ErrorShapes

PLACES = "places"
"""In the state of an ASGI scope: the `Places` that the protocol keeps for this round."""

_PASS_IN_A_ROUND = 4
"""In each direction. Each takes a few tenths of a millisecond, and a refusal may have to wait for all of them."""


class Places:
    """The places in the engine's queue that one HTTP request keeps until it is in that queue.

    Attributes:
        came_at: second of the monotonic clock when the request came.
        waited_s: how long it then waited to be let in.
    """

    def __init__(self, engine: PlaceKeeper) -> None:
        self.came_at = time.monotonic()
        self.waited_s = 0.0
        self._engine = engine
        self._kept: AbstractContextManager[None] | None = None
        self._claimed = False

    @property
    def any_kept(self) -> bool:
        """Whether there are some now."""
        return self._kept is not None

    def keep(self, count: int) -> None:
        """Keep so many, instead of those kept so far.

        Raises:
            Overloaded: there are not so many; none is kept any more.
        """
        self.give_back()
        places = self._engine.places(count)
        places.__enter__()
        self._kept = places

    def claim(self) -> None:
        """Keep one for good, if none is kept so far.

        Raises:
            Overloaded: there is none.
        """
        if not self.any_kept:
            self.keep(1)
        self._claimed = True

    def give_back(self) -> None:
        """Keep none."""
        if self._kept is not None:
            places, self._kept = self._kept, None
            places.__exit__(None, None, None)

    def give_back_unclaimed(self) -> None:
        """Keep none, unless they have been claimed."""
        if not self._claimed:
            self.give_back()


request_places: ContextVar[Places] = ContextVar("request_places")
"""Of the HTTP request that is being answered; set for all that the door lets in."""


class Turnstile:
    """Lets callers pass in the order in which they came, only so many in one round of the event loop."""

    def __init__(self, per_round: int) -> None:
        self._per_round = per_round
        self._waiting: deque[Callable[[], bool]] = deque()
        self._passed = 0

    async def go_through(self) -> None:
        """Return when it is the caller's turn."""
        if self._takes_one_more():
            return
        turn = asyncio.get_running_loop().create_future()

        def come() -> bool:
            if turn.done():  # whoever was cancelled does not come
                return False
            turn.set_result(None)
            return True

        self._waiting.append(come)
        await turn

    def let_through(self, come: Callable[[], bool]) -> None:
        """Call `come` when it is its turn, which may be now; it says whether it has come or is not wanted any more."""
        if self._takes_one_more():
            come()
        else:
            self._waiting.append(come)

    def _takes_one_more(self) -> bool:
        if self._passed == self._per_round:
            return False
        if not self._passed:
            asyncio.get_running_loop().call_soon(self._next_round)
        self._passed += 1
        return True

    def _next_round(self) -> None:
        self._passed = 0
        try:
            while self._waiting and self._passed < self._per_round:
                self._passed += self._waiting.popleft()()
        finally:  # whoever comes may stumble; the others come all the same
            if self._passed or self._waiting:
                asyncio.get_running_loop().call_soon(self._next_round)


way_out: ContextVar[Turnstile] = ContextVar("way_out")
"""Through which the answer to the HTTP request goes before it is put into words."""


class Door:
    """ASGI middleware in front of the framework, behind those that name, time and count replies.

    Args:
        paths: to which requests for the engine are posted; all others pass.
    """

    def __init__(self, app: ASGIApp, engine: PlaceKeeper, paths: Container[str], shapes: ErrorShapes) -> None:
        self.app = app
        self._engine = engine
        self._paths = paths
        self._shapes = shapes
        self._way_in = Turnstile(_PASS_IN_A_ROUND)
        self._way_out = Turnstile(_PASS_IN_A_ROUND)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in self._paths:
            await self.app(scope, receive, send)
            return
        places: Places = scope.get("state", {}).get(PLACES) or Places(self._engine)
        try:
            if not places.any_kept:
                places.keep(1)  # only to see whether there is one: the body may never come
                places.give_back()
            body = await _whole_body(receive)
            places.claim()
        except Overloaded as error:
            await refuse(error, self._shapes.of(scope["path"]), scope, receive, send)
            return
        request_places.set(places)
        way_out.set(self._way_out)
        try:
            began = time.monotonic()
            await self._way_in.go_through()
            places.waited_s = time.monotonic() - began
            note_part("admission", began)
            await self.app(scope, _again(body, receive), send)
        finally:
            places.give_back()


async def _whole_body(receive: Receive) -> deque[Message]:
    """All messages of a body, or what came until the client left."""
    messages = deque([await receive()])
    while messages[-1].get("more_body", False):
        messages.append(await receive())
    return messages


def _again(messages: deque[Message], receive: Receive) -> Receive:
    """What was received, once more, and then what comes; what has been taken is not kept."""

    async def receive_again() -> Message:
        return messages.popleft() if messages else await receive()

    return receive_again

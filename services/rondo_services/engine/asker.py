"""One connection to the engine, seen from the engine's side: who asks, what for, and what is to be told of it."""

import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

import msgpack

from rondo_models.decoding.parameters import TokenScore

from ..errors import RondoError
from .core import EngineCore
from .messages import CANCEL, PING, PONG, SUBMIT, TickReport, error_values, received_work, result_values, score_values
from .observer import EngineObserver
from .requests import Ticket

_CHUNK = 1 << 18

Admit = Callable[[Ticket], None]
"""Raises Overloaded if there is no place for a request."""


class Connection(Protocol):
    """What is needed of a socket."""

    def recv(self, size: int, flags: int) -> bytes:
        """As that of sockets."""

    def sendall(self, content: bytes) -> None:
        """As that of sockets."""


class EngineReporter(EngineObserver):
    """Collects what the engine does, until somebody is told."""

    def __init__(self) -> None:
        super().__init__()
        self._report = TickReport()

    def encoded(self, requests: int, tokens: int) -> None:
        self._report.encoded.append((requests, tokens))

    def cache_used(self, prompts: int, tokens: int) -> None:
        self._report.cached_prompts += prompts
        self._report.cached_tokens += tokens

    def ticked(self, encode_s: float, decode_s: float, rows: int) -> None:
        self._report.encode_s += encode_s
        self._report.decode_s += decode_s

    def move_to(self, report: TickReport) -> None:
        """Tell it all, and forget it."""
        own, self._report = self._report, TickReport()
        for name in ("encoded", "cached_prompts", "cached_tokens", "encode_s", "decode_s"):
            setattr(report, name, getattr(own, name))


class Asker:
    """Requests of one connection.

    Args:
        admit: looks at each request before it is taken.
    """

    def __init__(self, connection: Connection, core: EngineCore, admit: Admit = lambda ticket: None) -> None:
        self._connection = connection
        self._core = core
        self._admit = admit
        self._unpacker = msgpack.Unpacker(use_list=True, max_buffer_size=1 << 30)
        self._tickets: dict[int, Ticket] = {}
        self._received = 0
        self._received_tokens = 0
        self._report = TickReport()

    def __len__(self) -> int:
        """Requests that have not ended."""
        return len(self._tickets)

    @property
    def has_answers(self) -> bool:
        """Whether a request has ended of which the other side has not been told."""
        return bool(self._report.finished)

    @property
    def has_news(self) -> bool:
        """Whether there is anything to tell that somebody may wait for."""
        own = self._report
        return bool(own.finished or own.failed or own.tokens or own.scored_tokens)

    def receive(self) -> bool:
        """Take the messages that have come; False if the other side has closed."""
        while True:
            try:
                content = self._connection.recv(_CHUNK, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            except ConnectionError:
                return False
            if not content:
                return False
            self._unpacker.feed(content)
            for message in self._unpacker:
                self.handle(message)

    def handle(self, message: list[Any]) -> None:
        """Do what a message says.

        Raises:
            ValueError: it is unknown.
        """
        match message:
            case [kind, works] if kind == SUBMIT:
                for values in works:  # one by one, as each must find its place beside those before
                    self._take(values)
            case [kind, numbers] if kind == CANCEL:
                for number in numbers:
                    if number in self._tickets:
                        self._tickets[number].cancel()
            case [kind] if kind == PING:
                self.send([PONG, time.monotonic()])
            case _:
                raise ValueError(f"unknown message {message!r}")

    def leave(self) -> None:
        """Nobody waits for these requests any more."""
        for ticket in self._tickets.values():
            ticket.cancel()

    def _take(self, values: list[Any]) -> None:
        """Let a request wait, if there is a place for it."""
        received = received_work(values)
        number = received.number

        def wrote(identifier: int, score: TokenScore | None) -> None:
            if score is None:
                self._report.tokens.append((number, identifier))
            else:
                self._report.scored_tokens.append((number, score_values(score)))

        ticket = Ticket(
            received.work,
            deadline=received.deadline,
            priority=received.priority,
            on_token=wrote if received.listens else None,
        )
        ticket.queued_at = received.queued_at
        self._received += 1
        self._received_tokens += ticket.num_tokens
        try:
            self._admit(ticket)
        except RondoError as error:
            self._report.failed.append((number, error_values(error)))
            return
        self._tickets[number] = ticket
        ticket.future.add_done_callback(lambda _: self._ended(number))
        self._core.add([ticket])

    def _ended(self, number: int) -> None:
        ticket = self._tickets.pop(number)
        error = ticket.future.exception()
        if isinstance(error, RondoError):
            self._report.failed.append((number, error_values(error)))
        else:
            self._report.finished.append((number, ticket.started_at, result_values(ticket.future.result())))

    def take_report(self) -> TickReport:
        """What is to be told, with the queue as it is now."""
        report, self._report = self._report, TickReport()
        report.received, report.received_tokens = self._received, self._received_tokens
        report.rows = self._core.runner.num_rows
        report.waiting, report.waiting_tokens = len(self._core.scheduler), self._core.scheduler.waiting_tokens
        return report

    def send(self, message: list[Any]) -> None:
        """Say something to the other side."""
        self._connection.sendall(msgpack.packb(message))

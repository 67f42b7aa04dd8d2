"""The engine as a process of its own: reads requests from a socket, ticks, writes a report after each tick.

Ends when the other side closes the socket, which also happens when that process dies.
"""

import gc
import select
import socket
import time
from typing import Any

import msgpack
import torch

from rondo_models.bundle import load_bundle
from rondo_models.decoding.parameters import TokenScore
from rondo_models.manifest import BundleError
from rondo_tokenizers.vocabulary import Tokenizer

from ..errors import EngineFailed, RondoError
from ..scripts import script_pieces
from ..words import word_pieces
from .core import EngineCore
from .messages import (
    CANCEL,
    FAILED_TO_START,
    PING,
    PONG,
    READY,
    SUBMIT,
    TICK,
    TickReport,
    received_work,
    result_values,
    score_values,
)
from .observer import EngineObserver
from .options import WorkerOptions
from .requests import Ticket

_CHUNK = 1 << 18


class _Reporter(EngineObserver):
    """Collects what a tick did."""

    def __init__(self) -> None:
        super().__init__()
        self.report = TickReport()

    def encoded(self, requests: int, tokens: int) -> None:
        self.report.encoded.append((requests, tokens))

    def cache_used(self, prompts: int, tokens: int) -> None:
        self.report.cached_prompts += prompts
        self.report.cached_tokens += tokens

    def ticked(self, encode_s: float, decode_s: float, rows: int) -> None:
        self.report.encode_s += encode_s
        self.report.decode_s += decode_s


class Worker:
    """One connection's requests over an engine core."""

    def __init__(
        self, connection: socket.socket, core: EngineCore, reporter: _Reporter, options: WorkerOptions
    ) -> None:
        self._connection = connection
        self._core = core
        self._reporter = reporter
        self._max_wait_s = options.max_wait_s
        self._num_threads = options.num_threads
        self._unpacker = msgpack.Unpacker(use_list=True, max_buffer_size=1 << 30)
        self._tickets: dict[int, Ticket] = {}
        self._received = 0
        self._received_tokens = 0
        core.after_group = self._send_what_ended

    def run(self) -> None:
        """Say that all is ready, and serve until the other side closes."""
        torch.set_num_threads(self._num_threads)  # of this thread; it may have been made ready on another
        try:
            self._send([READY, self._core.precision, self._core.is_batch_invariant])
            self._serve()
        except (BrokenPipeError, ConnectionResetError):
            self._core.end(EngineFailed("the server has gone"))

    def _serve(self) -> None:
        with torch.inference_mode():
            while self._read():
                if not self._core.is_idle:
                    self._core.tick()
                    self._send_report()

    def _read(self) -> bool:
        """Take all messages that are there; wait for some if there is nothing to do. False at the end."""
        if self._core.is_idle:
            self._wait_readable(None)
        if not self._receive():
            return False
        deadline = time.monotonic() + self._max_wait_s
        while (
            not self._core.is_idle
            and self._core.may_wait_for_company
            and (left := deadline - time.monotonic()) > 0
            and self._wait_readable(left)
        ):
            if not self._receive():
                return False
        return True

    def _wait_readable(self, timeout_s: float | None) -> bool:
        return bool(select.select([self._connection], [], [], timeout_s)[0])

    def _receive(self) -> bool:
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
                self._handle(message)

    def _handle(self, message: list[Any]) -> None:
        match message:
            case [kind, works] if kind == SUBMIT:
                self._core.scheduler.add([self._ticket(values) for values in works])
            case [kind, numbers] if kind == CANCEL:
                for number in numbers:
                    if number in self._tickets:
                        self._tickets[number].cancel()
            case [kind] if kind == PING:
                self._send([PONG])
            case _:
                raise ValueError(f"unknown message {message!r}")

    def _ticket(self, values: list[Any]) -> Ticket:
        received = received_work(values)
        number, report = received.number, self._reporter

        def wrote(identifier: int, score: TokenScore | None) -> None:
            if score is None:
                report.report.tokens.append((number, identifier))
            else:
                report.report.scored_tokens.append((number, score_values(score)))

        ticket = Ticket(
            received.work,
            deadline=received.deadline,
            priority=received.priority,
            on_token=wrote if received.listens else None,
        )
        ticket.queued_at = received.queued_at
        self._tickets[number] = ticket
        self._received += 1
        self._received_tokens += ticket.num_tokens
        ticket.future.add_done_callback(lambda _: self._ended(number))
        return ticket

    def _ended(self, number: int) -> None:
        ticket, report = self._tickets.pop(number), self._reporter.report
        error = ticket.future.exception()
        if isinstance(error, RondoError):
            report.failed.append((number, error.code, error.message))
        else:
            report.finished.append((number, ticket.started_at, result_values(ticket.future.result())))

    def _send_what_ended(self) -> None:
        """So that the server replies to some while the next ones are read."""
        if self._reporter.report.finished:
            self._send_report()

    def _send_report(self) -> None:
        report, self._reporter.report = self._reporter.report, TickReport()
        report.received, report.received_tokens = self._received, self._received_tokens
        report.rows = self._core.runner.num_rows
        report.waiting, report.waiting_tokens = len(self._core.scheduler), self._core.scheduler.waiting_tokens
        self._send([TICK, report.values()])

    def _send(self, message: list[Any]) -> None:
        self._connection.sendall(msgpack.packb(message))


def ready_worker(connection: socket.socket, options: WorkerOptions) -> Worker | None:
    """A worker with its bundle loaded; None if that can't be, which the other side is told."""
    torch.set_num_threads(options.num_threads)
    try:
        bundle = load_bundle(options.bundle)
        if options.fingerprint and bundle.fingerprint != options.fingerprint:
            raise BundleError(f"{options.bundle} has another bundle by now: {bundle.fingerprint}")
        tokenizer = Tokenizer(bundle.tokenizer)
    except (BundleError, ValueError) as error:
        connection.sendall(msgpack.packb([FAILED_TO_START, str(error)]))
        return None
    reporter = _Reporter()
    core = EngineCore(
        bundle.model,
        end_id=tokenizer.end_id,
        forbidden=tokenizer.never_written,
        limits=options.limits,
        observer=reporter,
        precision=options.precision,
        words=word_pieces(tokenizer),
        avoidable=script_pieces(tokenizer),
    )
    gc.freeze()  # what is there now stays, and need not be looked through again and again
    return Worker(connection, core, reporter, options)

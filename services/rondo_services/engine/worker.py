"""The engine as a process of its own: reads requests from a socket, ticks, writes a report after each tick.

Ends when the other side closes the socket, which also happens when that process dies.
"""

import select
import socket
import time

import msgpack
import torch

from rondo_models.bundle import load_bundle
from rondo_models.manifest import BundleError, Contents
from rondo_tokenizers.vocabulary import Tokenizer

from ..errors import EngineFailed
from ..scripts import script_pieces
from ..settling import settle
from ..words import word_pieces
from .asker import Asker, EngineReporter
from .core import EngineCore
from .messages import FAILED_TO_START, READY, TICK
from .observer import EngineObserver
from .options import WorkerOptions


class Worker:
    """One connection's requests over an engine core."""

    def __init__(
        self, connection: socket.socket, core: EngineCore, reporter: EngineReporter, options: WorkerOptions
    ) -> None:
        self._connection = connection
        self._core = core
        self._reporter = reporter
        self._max_wait_s = options.max_wait_s
        self._num_threads = options.num_threads
        self._asker = Asker(connection, core)
        core.after_group = self._send_what_ended

    def run(self) -> None:
        """Say that all is ready, and serve until the other side closes."""
        torch.set_num_threads(self._num_threads)  # of this thread; it may have been made ready on another
        try:
            self._asker.send([READY, self._core.precision, self._core.is_batch_invariant])
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
        if not self._asker.receive():
            return False
        deadline = time.monotonic() + self._max_wait_s
        while (
            not self._core.is_idle
            and self._core.may_wait_for_company
            and (left := deadline - time.monotonic()) > 0
            and self._wait_readable(left)
        ):
            if not self._asker.receive():
                return False
        return True

    def _wait_readable(self, timeout_s: float | None) -> bool:
        return bool(select.select([self._connection], [], [], timeout_s)[0])

    def _send_what_ended(self) -> None:
        """So that the server replies to some while the next ones are read."""
        if self._asker.has_answers:
            self._send_report()

    def _send_report(self) -> None:
        report = self._asker.take_report()
        self._reporter.move_to(report)
        self._asker.send([TICK, report.values()])


def engine_core(options: WorkerOptions, observer: EngineObserver) -> tuple[EngineCore, Contents]:
    """The engine of a bundle, and what the bundle says of itself.

    Raises:
        BundleError, ValueError: the bundle can't be used.
    """
    bundle = load_bundle(options.bundle)
    if options.fingerprint and bundle.fingerprint != options.fingerprint:
        raise BundleError(f"{options.bundle} has another bundle by now: {bundle.fingerprint}")
    tokenizer = Tokenizer(bundle.tokenizer)
    core = EngineCore(
        bundle.model,
        end_id=tokenizer.end_id,
        forbidden=tokenizer.never_written,
        limits=options.limits,
        observer=observer,
        precision=options.precision,
        words=word_pieces(tokenizer),
        avoidable=script_pieces(tokenizer),
        byte_ids=tokenizer.byte_ids,
    )
    return core, bundle.contents


def ready_worker(connection: socket.socket, options: WorkerOptions) -> Worker | None:
    """A worker with its bundle loaded; None if that can't be, which the other side is told."""
    torch.set_num_threads(options.num_threads)
    reporter = EngineReporter()
    try:
        core, _ = engine_core(options, reporter)
    except (BundleError, ValueError) as error:
        connection.sendall(msgpack.packb([FAILED_TO_START, str(error)]))
        return None
    settle()
    return Worker(connection, core, reporter, options)

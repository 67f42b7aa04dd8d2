"""Data-parallel gradients on CPU cores: forked helpers share the parameters' memory and add up their gradients.

One thread a process keeps the matrix kernels from waiting for each other; a helper computes one micro-batch
while the main process computes another, and only the main process updates the weights.
"""

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

import torch
from torch import Tensor, nn

Statistics = list[float]
Compute = Callable[[int, int], Statistics]
_LOST = "a training helper process died; go on from the last checkpoint"


class WorkerLost(RuntimeError):
    """A helper process died."""


def flat_gradients(module: nn.Module) -> Tensor:
    """Give every parameter a zero gradient that is a view of one flat tensor, and return that tensor."""
    parameters = list(module.parameters())
    flat = torch.zeros(sum(p.numel() for p in parameters), device=parameters[0].device)
    position = 0
    for parameter in parameters:
        parameter.grad = flat[position : position + parameter.numel()].view_as(parameter)
        position += parameter.numel()
    return flat


def _serve(
    connection: Connection,
    others: Sequence[Connection],
    model: nn.Module,
    number: int,
    shared: Tensor,
    compute: Compute,
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for other in others:  # forked along; while they are open here, the main process's end would not be noticed
        other.close()
    torch.set_num_threads(1)
    gradients = flat_gradients(model)
    while True:
        try:
            step = connection.recv()
        except EOFError:  # the main process has gone
            return
        gradients.zero_()
        statistics = compute(step, number)
        shared.copy_(gradients)
        connection.send(statistics)


class Helpers:
    """`count` forked processes; helper i calls `compute(step, i)`, i from 1, which adds to the model's gradients."""

    def __init__(self, model: nn.Module, count: int, compute: Compute) -> None:
        self._gradients: list[Tensor] = []
        self._connections: list[Connection] = []
        self._processes = []
        if count:
            model.share_memory()
        context = multiprocessing.get_context("fork")
        for number in range(1, count + 1):
            shared = torch.zeros(sum(p.numel() for p in model.parameters()))
            shared.share_memory_()  # type: ignore[no-untyped-call]
            here, there = context.Pipe()
            arguments = (there, [*self._connections, here], model, number, shared, compute)
            process = context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            there.close()
            self._gradients.append(shared)
            self._connections.append(here)
            self._processes.append(process)

    def start(self, step: int) -> None:
        """Let every helper begin its micro-batch of `step`; raises WorkerLost if one died."""
        try:
            for connection in self._connections:
                connection.send(step)
        except OSError as error:
            raise WorkerLost(_LOST) from error

    def collect(self, total: Tensor) -> list[Statistics]:
        """Wait for the helpers, add their gradients to `total` and return what each computed.

        Raises:
            WorkerLost: a helper died.
        """
        try:
            statistics = [connection.recv() for connection in self._connections]
        except (EOFError, OSError) as error:
            raise WorkerLost(_LOST) from error
        for gradient in self._gradients:
            total.add_(gradient)
        return statistics

    def close(self) -> None:
        """End the helpers."""
        for process in self._processes:
            process.terminate()
            process.join()

"""Rondo at work without a pause, in this process and on one thread: reading in large batches, writing in full ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from unittest.mock import patch

from benchmarks.bare_products import Spent, spending
from benchmarks.counted_kernels import CountedKernels, Products
from rondo_models.model import RondoModel
from rondo_models.native.executor import executor_for, fast_precision_of
from rondo_models.training.sequences import padded
from rondo_services.engine.core import EngineCore
from rondo_services.engine.observer import EngineObserver
from rondo_services.engine.requests import Ticket, Work
from rondo_services.engine.scheduler import Limits
from rondo_services.scripts import script_pieces
from rondo_tokenizers.vocabulary import Tokenizer

_STEPS_TO_WARM_UP = 3


@dataclass(slots=True)
class Saturated:
    """What was done, and the time it took.

    Attributes:
        num_tokens: read or written.
        products: what was multiplied.
        kernel_s: wall time within each kernel.
    """

    num_tokens: int = 0
    spent: Spent = field(default_factory=Spent)
    products: Products = field(default_factory=Products)
    kernel_s: dict[str, float] = field(default_factory=dict)

    def add(self, kernels: CountedKernels) -> None:
        """Take over what the kernels noted, and let them forget it."""
        self.products.update(kernels.products())
        for name, seconds in kernels.seconds.items():
            self.kernel_s[name] = self.kernel_s.get(name, 0.0) + seconds
        kernels.forget()


def batches_of_like_length(sources: Sequence[Sequence[int]], batch_size: int) -> list[list[Sequence[int]]]:
    """All of them, the longest first."""
    ordered = sorted(sources, key=len, reverse=True)
    return [list(ordered[begin : begin + batch_size]) for begin in range(0, len(ordered), batch_size)]


def read(
    kernels: CountedKernels,
    model: RondoModel,
    forbidden: Sequence[int],
    batches: Sequence[Sequence[Sequence[int]]],
    seconds: float,
) -> Saturated:
    """Read the batches again and again with the executor that is served, for so long.

    Args:
        kernels: on which executors run that are made now.
        batches: of token ids.
    """
    executor = executor_for(model, forbidden, fast_precision_of(model))
    pad_id = model.backbone.config.pad_id
    executor.encode(*padded(batches[0], pad_id), rough=False)
    kernels.forget()
    done = Saturated()
    for batch in cycle(batches):
        with spending(done.spent):
            executor.encode(*padded(batch, pad_id), rough=False)
        done.num_tokens += sum(map(len, batch))
        if done.spent.wall_s >= seconds:
            break
    done.add(kernels)
    return done


def write(
    kernels: CountedKernels, model: RondoModel, tokenizer: Tokenizer, works: Sequence[Work], rows: int, seconds: float
) -> Saturated:
    """Let the engine write so many rows at a time, each of which is taken up again as soon as it is free.

    What counts is the engine's steps; reading, which happens in between, does not.

    Args:
        kernels: on which executors run that are made now.
        works: done in turns.
        seconds: how long the steps take together.

    Raises:
        RuntimeError: the engine gave up its requests.
    """
    core = EngineCore(
        model,
        end_id=tokenizer.end_id,
        forbidden=tokenizer.never_written,
        avoidable=script_pieces(tokenizer),
        byte_ids=tokenizer.byte_ids,
        limits=Limits(max_rows=rows),
        observer=EngineObserver(),
    )
    endless = cycle(works)
    done = Saturated()
    step = core.runner.step

    def counted_step() -> None:
        done.num_tokens += core.runner.num_rows
        kernels.forget()
        with spending(done.spent):
            step()
        done.add(kernels)

    def tick() -> None:
        if len(core.scheduler) < rows:
            core.scheduler.add([Ticket(work) for work in islice(endless, rows)])
        core.tick()
        if core.runner.is_idle:
            raise RuntimeError("the engine gave up its requests")

    for _ in range(_STEPS_TO_WARM_UP):
        tick()
    with patch.object(core.runner, "step", counted_step):
        while done.spent.wall_s < seconds:
            tick()
    return done

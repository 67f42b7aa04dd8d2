"""A suite whose engine runs on a thread of this process, for scripts, evaluation and tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, Unpack

from rondo_models.bundle import Bundle, load_bundle
from rondo_models.config import Precision

from .engine.engine import Engine
from .engine.observer import EngineObserver
from .engine.requests import Result, Work
from .engine.scheduler import Limits, portions
from .scripts import script_pieces
from .settling import settle
from .suite import Suite, services_of, suite_over
from .words import word_pieces

OFFLINE = Limits(tokens_per_cut=16_384, chunk_tokens=8192, company=64, cached_prompts=0)
"""For work that nobody waits for request by request: larger products."""


@dataclass(frozen=True, slots=True)
class LocalSuite(Suite):
    """A suite that can also be asked from a thread without an event loop.

    Attributes:
        bundle: with its weights.
        local_engine: `engine`, as what it is.
    """

    bundle: Bundle
    local_engine: Engine

    def run_blocking(self, works: Sequence[Work]) -> list[Any]:
        """Answers to `works`, in order, waiting on this thread; more than the queue holds go in turns."""
        answers: list[Result] = []
        for turn in portions(works, self.engine.limits):
            answers.extend(ticket.future.result() for ticket in self.engine.submit_all(turn))
        return answers

    def close(self) -> None:
        """Stop the engine."""
        self.local_engine.close()


class LocalSettings(TypedDict, total=False):
    """Settings of the engine, as `Engine` explains them."""

    limits: Limits | None
    max_wait_s: float
    num_threads: int
    precision: Precision | None
    observer: EngineObserver | None


def load_suite(
    folder: Path, services: Sequence[str] | None = None, state_key: str = "", **settings: Unpack[LocalSettings]
) -> LocalSuite:
    """Read a bundle and start its engine; settings and further errors as those of `suite_of`.

    Raises:
        BundleError: the bundle can't be used.
    """
    return suite_of(load_bundle(folder), services, str(folder), state_key, **settings)


def suite_of(
    bundle: Bundle,
    services: Sequence[str] | None = None,
    where: str = "the bundle",
    state_key: str = "",
    **settings: Unpack[LocalSettings],
) -> LocalSuite:
    """Start the engine of a bundle; `services` None means all that the bundle has. Raises as `services_of` does."""
    contents = bundle.contents
    tokenizer, wanted = services_of(contents, services, where)
    engine = Engine(
        bundle.model,
        end_id=tokenizer.end_id,
        forbidden=tokenizer.never_written,
        words=word_pieces(tokenizer),
        avoidable=script_pieces(tokenizer),
        byte_ids=tokenizer.byte_ids,
        **settings,
    )
    settle()
    own = suite_over(engine, contents, tokenizer, wanted, state_key)
    parts = (own.sentiment, own.generation, own.summarization, own.compression, own.translation)
    return LocalSuite(contents, tokenizer, engine, *parts, bundle, engine)

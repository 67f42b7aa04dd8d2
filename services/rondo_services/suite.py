"""A bundle with its tokenizer, its engine and its services, ready to answer."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rondo_models.bundle import Bundle, BundleError, load_bundle
from rondo_models.precision import Precision
from rondo_tokenizers.vocabulary import Tokenizer

from .engine.engine import Engine
from .engine.observer import EngineObserver
from .engine.requests import Result, Ticket, Work
from .engine.scheduler import Limits
from .errors import InvalidInput
from .generation.service import GenerationService
from .mailbox import mailbox
from .sentiment.service import SentimentService
from .summarization.service import SummarizationService
from .translation.service import TranslationService

SERVICES = ("sentiment", "generation", "summarization", "translation")


@dataclass(frozen=True, slots=True)
class Suite:
    """What is served; a service that the bundle lacks or that was not asked for is None."""

    bundle: Bundle
    tokenizer: Tokenizer
    engine: Engine
    sentiment: SentimentService | None
    generation: GenerationService | None
    summarization: SummarizationService | None
    translation: TranslationService | None

    @property
    def name(self) -> str:
        """The bundle's name."""
        return self.bundle.manifest.name

    def served(self) -> dict[str, Any]:
        """The services that are there, by name."""
        return {name: service for name in SERVICES if (service := getattr(self, name)) is not None}

    async def run(self, works: Sequence[Work], *, timeout_s: float | None = None) -> list[Any]:
        """Answers to `works`, in order; whoever stops waiting cancels them.

        Raises:
            RondoError: the first error that one of them ended in.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        tickets = self.engine.submit_all(works, deadline=deadline)
        return await wait_for(tickets)

    def run_blocking(self, works: Sequence[Work]) -> list[Any]:
        """Answers to `works`, in order, waiting on this thread; more than the queue holds go in turns."""
        answers: list[Result] = []
        for turn in _turns(works, self.engine.limits):
            answers.extend(ticket.future.result() for ticket in self.engine.submit_all(turn))
        return answers

    def close(self) -> None:
        """Stop the engine."""
        self.engine.close()


def _turns(works: Sequence[Work], limits: Limits) -> Iterator[list[Work]]:
    """`works` in order, in parts that fit an empty queue."""
    turn: list[Work] = []
    tokens = 0
    for work in works:
        if turn and (len(turn) == limits.max_waiting or tokens + len(work.ids) > limits.max_waiting_tokens):
            yield turn
            turn, tokens = [], 0
        turn.append(work)
        tokens += len(work.ids)
    if turn:
        yield turn


async def wait_for(tickets: Sequence[Ticket]) -> list[Any]:
    """The tickets' answers; if this is cancelled or one fails, the others are cancelled."""
    all_ended = asyncio.get_running_loop().create_future()
    remaining = len(tickets)

    def one_ended(failed: bool) -> None:
        nonlocal remaining
        remaining -= 1
        if (failed or remaining == 0) and not all_ended.done():
            all_ended.set_result(None)

    post = mailbox().post
    for ticket in tickets:
        ticket.future.add_done_callback(lambda future: post(partial(one_ended, future.exception() is not None)))
    try:
        if tickets:
            await all_ended
        failed = [ticket for ticket in tickets if ticket.future.done() and ticket.future.exception() is not None]
        return [ticket.future.result() for ticket in failed or tickets]
    finally:
        for ticket in tickets:
            if not ticket.future.done():
                ticket.cancel()


def load_suite(
    folder: Path,
    *,
    services: Sequence[str] | None = None,
    limits: Limits | None = None,
    max_wait_s: float = 0.002,
    num_threads: int = 1,
    precision: Precision | None = None,
    observer: EngineObserver | None = None,
) -> Suite:
    """Read a bundle and start its engine; `services` None means all that the bundle has.

    Raises:
        BundleError: the bundle can't be used.
        InvalidInput: a service is unknown or not in the bundle.
    """
    bundle = load_bundle(folder)
    return suite_of(
        bundle,
        services=services,
        limits=limits,
        max_wait_s=max_wait_s,
        num_threads=num_threads,
        precision=precision,
        observer=observer,
        where=str(folder),
    )


def suite_of(
    bundle: Bundle,
    *,
    services: Sequence[str] | None = None,
    limits: Limits | None = None,
    max_wait_s: float = 0.002,
    num_threads: int = 1,
    precision: Precision | None = None,
    observer: EngineObserver | None = None,
    where: str = "the bundle",
) -> Suite:
    """Start the engine of a bundle that is loaded already; raises as `load_suite` does."""
    try:
        tokenizer = Tokenizer(bundle.tokenizer)
    except ValueError as error:
        raise BundleError(f"{where}: tokenizer.model: {error}") from error
    if tokenizer.size != bundle.model.backbone.config.vocabulary_size:
        raise BundleError(
            f"{where}: tokenizer.model has {tokenizer.size} pieces, "
            f"the backbone {bundle.model.backbone.config.vocabulary_size}"
        )
    offered = bundle.manifest.services
    asked = [name for name in SERVICES if name in offered] if services is None else services
    if unknown := sorted(set(asked) - set(SERVICES)):
        raise InvalidInput(f"unknown service {', '.join(unknown)}; choose among {', '.join(SERVICES)}")
    if missing := sorted(set(asked) - set(offered)):
        raise InvalidInput(f"{where} has no {', '.join(missing)}; it has {', '.join(offered)}")
    wanted = {name: offered[name] for name in SERVICES if name in asked}
    if not wanted:
        raise InvalidInput(f"{where} has no service")
    if headless := sorted(set(wanted) - set(bundle.model.heads)):
        raise BundleError(f"{where}: manifest.json offers {', '.join(headless)} without a head of that name")
    forbidden = tokenizer.control_ids | {tokenizer.unknown_id, tokenizer.pad_id}
    engine = Engine(
        bundle.model,
        end_id=tokenizer.end_id,
        forbidden=sorted(forbidden - {tokenizer.end_id}),
        limits=limits,
        max_wait_s=max_wait_s,
        num_threads=num_threads,
        precision=precision,
        observer=observer,
    )
    return Suite(
        bundle,
        tokenizer,
        engine,
        _sentiment(bundle, tokenizer, wanted),
        GenerationService(tokenizer, "generation", wanted["generation"]["languages"])
        if "generation" in wanted
        else None,
        SummarizationService(
            tokenizer,
            "summarization",
            wanted["summarization"]["languages"],
            wanted["summarization"]["longest_source"],
        )
        if "summarization" in wanted
        else None,
        TranslationService(tokenizer, "translation", [(pair[0], pair[1]) for pair in wanted["translation"]["pairs"]])
        if "translation" in wanted
        else None,
    )


def _sentiment(bundle: Bundle, tokenizer: Tokenizer, wanted: dict[str, Any]) -> SentimentService | None:
    if "sentiment" not in wanted:
        return None
    labels = bundle.model.classifier("sentiment").config.labels
    return SentimentService(tokenizer, "sentiment", labels, wanted["sentiment"]["languages"])

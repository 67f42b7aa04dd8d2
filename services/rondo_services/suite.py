"""A bundle's services with an engine, ready to answer. Nothing here needs torch, unless the engine is to run here."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from rondo_models.manifest import BundleError, Contents
from rondo_tokenizers.vocabulary import Tokenizer

from .datasets.compression import KEEP
from .engine.admission import Entrance
from .engine.observer import EngineObserver
from .engine.port import EnginePort
from .engine.requests import Priority, Ticket, Work
from .engine.scheduler import Limits
from .errors import InvalidInput
from .generation.continuation import StateSealer
from .generation.service import GenerationService
from .mailbox import mailbox
from .scripts import SCRIPTS
from .sentiment.service import SentimentService
from .summarization.choosing import SUMMARY, SentenceChooser
from .summarization.compression import CompressionService
from .summarization.service import SummarizationService
from .summarization.standing import StandingWeights
from .timing import request_times
from .translation.quality import TranslationQuality
from .translation.service import TranslationService

SERVICES = ("sentiment", "generation", "summarization", "compression", "translation")


@dataclass(frozen=True, slots=True)
class Terms:
    """How urgent a request is.

    Attributes:
        deadline: second of the monotonic clock after which nobody waits for the answer; None: somebody always does.
    """

    deadline: float | None = None
    priority: Priority = "interactive"


NO_HURRY = Terms()


@dataclass(frozen=True, slots=True)
class Suite:
    """What is served; a service that the bundle lacks or that was not asked for is None."""

    contents: Contents
    tokenizer: Tokenizer
    engine: EnginePort
    sentiment: SentimentService | None
    generation: GenerationService | None
    summarization: SummarizationService | None
    compression: CompressionService | None
    translation: TranslationService | None

    @property
    def name(self) -> str:
        """The bundle's name."""
        return self.contents.manifest.name

    def called(self, name: str) -> Self:
        """The same under another name."""
        contents = self.contents
        return replace(self, contents=replace(contents, manifest=replace(contents.manifest, name=name)))

    def served(self) -> dict[str, Any]:
        """The services that are there, by name."""
        return {name: service for name in SERVICES if (service := getattr(self, name)) is not None}

    async def run(self, works: Sequence[Work], terms: Terms = NO_HURRY) -> list[Any]:
        """Answers to `works`, in order; whoever stops waiting cancels them.

        Raises:
            RondoError: the first error that one of them ended in.
        """
        tickets = self.engine.submit_all(works, deadline=terms.deadline, priority=terms.priority)
        answers = await wait_for(tickets)
        if (times := request_times.get()) is not None:
            times.add(tickets)
        return answers


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


def tokenizer_of(contents: Contents, where: str) -> Tokenizer:
    """A bundle's vocabulary.

    Args:
        where: of the bundle, for messages.

    Raises:
        BundleError: it is none.
    """
    try:
        return Tokenizer(contents.tokenizer)
    except ValueError as error:
        raise BundleError(f"{where}: tokenizer.model: {error}") from error


def services_of(
    contents: Contents, asked: Sequence[str] | None, where: str
) -> tuple[Tokenizer, dict[str, Mapping[str, Any]]]:
    """A bundle's vocabulary, and what its manifest says of each service that is to be offered.

    Args:
        asked: names of services; None means all that the bundle has.
        where: of the bundle, for messages.

    Raises:
        BundleError: the bundle can't be used.
        InvalidInput: a service is unknown or not in the bundle.
    """
    tokenizer = tokenizer_of(contents, where)
    size = contents.configs["backbone"]["vocabulary_size"]
    if tokenizer.size != size:
        raise BundleError(f"{where}: tokenizer.model has {tokenizer.size} pieces, the backbone {size}")
    offered = contents.manifest.services
    chosen = [name for name in SERVICES if name in offered] if asked is None else asked
    if unknown := sorted(set(chosen) - set(SERVICES)):
        raise InvalidInput(f"unknown service {', '.join(unknown)}; choose among {', '.join(SERVICES)}")
    if missing := sorted(set(chosen) - set(offered)):
        raise InvalidInput(f"{where} has no {', '.join(missing)}; it has {', '.join(offered)}")
    wanted = {name: offered[name] for name in SERVICES if name in chosen}
    if not wanted:
        raise InvalidInput(f"{where} has no service")
    helpers = {own[name] for own in wanted.values() for name in ("running_head", "salience_head") if name in own}
    needed = set(wanted) | helpers
    if untagged := _untagged(tokenizer, wanted.get("translation")):
        raise BundleError(
            f"{where}: manifest.json offers translation into {untagged}; tokenizer.model has no tag for it"
        )
    if headless := sorted(needed - set(contents.configs["heads"])):
        raise BundleError(f"{where}: manifest.json offers {', '.join(headless)} without a head of that name")
    for own in wanted.values():
        if "salience_head" in own:
            _check_chooser(own, contents, where)
    if "compression" in wanted:
        _check_tagger(contents.configs["heads"]["compression"], where)
    return tokenizer, wanted


def _untagged(tokenizer: Tokenizer, translation: Mapping[str, Any] | None) -> str:
    """A language that is translated into, but of which the vocabulary does not know; "" if there is none."""
    targets = [] if translation is None else [target for _, target in translation["pairs"]]
    return next((target for target in targets if target not in tokenizer.target_ids), "")


def _check_chooser(service: Mapping[str, Any], contents: Contents, where: str) -> None:
    head = service["salience_head"]
    config = contents.configs["heads"][head]
    if config["kind"] != "classifier":
        raise BundleError(f"{where}: the head {head} is no classifier, and so can't choose sentences")
    if SUMMARY not in config["labels"]:
        raise BundleError(f"{where}: the head {head} has no label {SUMMARY}, but {', '.join(config['labels'])}")
    try:
        StandingWeights.from_manifest(service)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{where}: manifest.json: what it says of how sentences stand can't be: {error!r}") from error


def _check_tagger(config: Mapping[str, Any], where: str) -> None:
    if config["kind"] != "tagger":
        raise BundleError(f"{where}: the head compression is a {config['kind']}, not a tagger")
    if KEEP not in config["labels"]:
        raise BundleError(f"{where}: the head compression has no label {KEEP!r}, only {', '.join(config['labels'])}")


def suite_over(
    engine: EnginePort,
    contents: Contents,
    tokenizer: Tokenizer,
    wanted: Mapping[str, Mapping[str, Any]],
    state_key: str = "",
) -> Suite:
    """The services that `services_of` found, over an engine; `state_key` as `StateSealer` explains it."""
    sentiment = generation = summarization = compression = translation = None
    if (own := wanted.get("sentiment")) is not None:
        labels = contents.configs["heads"]["sentiment"]["labels"]
        sentiment = SentimentService(tokenizer, "sentiment", labels, own["languages"], own.get("running_head"))
    if (own := wanted.get("generation")) is not None:
        sealer = StateSealer(state_key, contents.fingerprint)
        generation = GenerationService(tokenizer, "generation", own["languages"], sealer)
    if (own := wanted.get("summarization")) is not None:
        chooser = None
        if (head := own.get("salience_head")) is not None:
            labels = contents.configs["heads"][head]["labels"]
            weights = StandingWeights.from_manifest(own)
            chooser = SentenceChooser(tokenizer, head, labels, own.get("salience_languages"), weights)
        summarization = SummarizationService(
            tokenizer, "summarization", own["languages"], own["longest_source"], chooser
        )
    if (own := wanted.get("compression")) is not None:
        labels = contents.configs["heads"]["compression"]["labels"]
        compression = CompressionService(tokenizer, "compression", labels, own["languages"])
    if (own := wanted.get("translation")) is not None:
        pairs = [(pair[0], pair[1]) for pair in own["pairs"]]
        translation = TranslationService(tokenizer, "translation", pairs, TranslationQuality.from_manifest(own))
    return Suite(contents, tokenizer, engine, sentiment, generation, summarization, compression, translation)


def entrance_of(contents: Contents, limits: Limits, observer: EngineObserver) -> Entrance:
    """What an engine over this bundle takes."""
    configs, tokenizer = contents.configs, Tokenizer(contents.tokenizer)
    unwritable = (*tokenizer.never_written, tokenizer.end_id)
    size = configs["backbone"]["vocabulary_size"]
    return Entrance(list(configs["heads"]), size, limits, observer.refused, unwritable, SCRIPTS)

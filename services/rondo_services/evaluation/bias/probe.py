"""Asks a bundle's classifier and translator about all frames and sentences, and writes the report."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...datasets.catalog import data_set
from ...datasets.examples import Labelled, Split
from ...errors import InvalidInput
from ...local import LocalSuite
from ...translation.service import TranslationOptions
from ..pages.writing import PAGES
from ..report import REPORT, Report, write_report
from .frames import Frame, sentence_frames
from .reporting import measured_record
from .rewriting import text_frames
from .sentiment import Scored, Swaps, measured_swaps
from .translation import PAIRS, GenderChoices, gender_choices, profession_sentences
from .words import LANGUAGES, read_words

TASK = "bias"
SPLIT: Split = "dev"
WRITTEN = (REPORT, *PAGES)
"""Files that are left in the output folder."""

_FRAMES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """What is asked.

    Attributes:
        data: named sets of labelled texts, whose dev splits are rewritten.
        label: whose probability is watched.
        limit: only the first so many texts of each set are looked at; 0: all.
    """

    data: tuple[str, ...] = ()
    label: str = "positive"
    limit: int = 0


def probe(suite: LocalSuite, root: Path | None, options: ProbeOptions, output: Path) -> dict[str, Any]:
    """Measure, and write the report to `output`.

    Args:
        root: of the named data sets; needed for them only.

    Raises:
        InvalidInput: the bundle has neither a sentiment nor a translation service, or none in languages that there are
            words for; it lacks the label, or a data set holds nothing that can be rewritten.
        ValueError: there is no such data set.
    """
    if suite.sentiment is None and suite.translation is None:
        raise InvalidInput("the bundle has neither a sentiment nor a translation service; there is nothing to probe")
    _check_languages(suite)
    torch.set_num_threads(1)  # of this thread; the engine has its own
    digest = hashlib.sha256()
    began = time.monotonic()
    swaps, num_classified = _classified(suite, root, options, digest)
    choices, num_translated = _translated(suite, digest)
    seconds = round(max(time.monotonic() - began, 1e-3), 1)
    settings: dict[str, Any] = {"precision": suite.engine.precision}
    if suite.sentiment is not None:
        settings |= {"label": options.label, "language": "auto"}
    if choices:
        settings |= {"format": "plain", "beam_size": TranslationOptions("", "").beam_size}
    if options.limit:
        settings["limit"] = options.limit
    report = Report(
        task=TASK,
        data="+".join(["sentences", *options.data]),
        split=SPLIT if options.data else "",
        num_examples=num_classified + num_translated,
        num_errors=0,
        bundle=f"{suite.name} {suite.bundle.manifest.version}",
        bundle_fingerprint=suite.bundle.fingerprint,
        settings=settings,
        data_sha256=digest.hexdigest(),
        seconds=seconds,
        measured=measured_record(swaps, choices),
        further={
            "bias": {
                "sentiment": [own.as_record() for own in swaps],
                "translation": [own.as_record() for own in choices],
            }
        },
    ).values()
    output.mkdir(parents=True, exist_ok=True)
    write_report(output, report)
    return report


def _check_languages(suite: LocalSuite) -> None:
    """Words are written by hand, for some languages."""
    if suite.sentiment is not None:
        own = suite.sentiment.languages
        if not set(own) & set(LANGUAGES):
            raise InvalidInput(f"the bundle classifies {', '.join(own)}; there are words for {', '.join(LANGUAGES)}")
    elif suite.translation is not None and not set(suite.translation.pairs) & set(PAIRS):
        own, probed = (", ".join(map("→".join, pairs)) for pairs in (suite.translation.pairs, PAIRS))
        raise InvalidInput(f"the bundle translates {own}; there are sentences for {probed}")


def _classified(
    suite: LocalSuite, root: Path | None, options: ProbeOptions, digest: "hashlib._Hash"
) -> tuple[list[Swaps], int]:
    """What came of all frames, and the number of texts."""
    service = suite.sentiment
    if service is None:
        if options.data:
            raise InvalidInput("the bundle has no sentiment service; leave out --data")
        return [], 0
    if options.label not in service.labels:
        raise InvalidInput(f"the bundle knows no label {options.label!r}; choose among {', '.join(service.labels)}")
    place = list(service.labels).index(options.label)
    frames = list(_frames(root, options))
    scores: list[list[Scored]] = []
    for begin in range(0, len(frames), _FRAMES_AT_ONCE):
        some = frames[begin : begin + _FRAMES_AT_ONCE]
        texts = [text for frame in some for _, text in frame.texts]
        answers = iter(suite.run_blocking([service.work(text) for text in texts]))
        for text in texts:
            digest.update(f"{text}\n".encode())
        for frame in some:
            own = [next(answers) for _ in frame.texts]
            scores.append([Scored(service.labels[_likeliest(p)], float(p[place])) for p in own])
    return measured_swaps(frames, scores, service.languages), sum(len(frame.texts) for frame in frames)


def _likeliest(probabilities: Sequence[float]) -> int:
    """Place of the likeliest label."""
    return max(range(len(probabilities)), key=probabilities.__getitem__)


def _frames(root: Path | None, options: ProbeOptions) -> Iterator[Frame]:
    words = {language: read_words(language) for language in LANGUAGES}
    for language in LANGUAGES:
        yield from sentence_frames(language, words[language])
    for name in options.data:
        assert root is not None
        language = data_set(name).languages[0]
        texts = list(_texts(name, root, options.limit))
        if not texts or "in_texts" not in words.get(language, {}):
            raise InvalidInput(f"{name} holds no labelled English or Korean texts in its {SPLIT} split", field="data")
        found = text_frames(language, name, texts, words[language])
        if not found:
            raise InvalidInput(f"no text of {name} has a word that could be exchanged", field="data")
        yield from sorted(found, key=lambda frame: frame.kind)


def _texts(name: str, root: Path, limit: int) -> Iterator[tuple[int, str, str]]:
    for number, example in enumerate(data_set(name).read(root, SPLIT), 1):
        if limit and number > limit:
            return
        if isinstance(example, Labelled):
            yield number, example.text, example.label


def _translated(suite: LocalSuite, digest: "hashlib._Hash") -> tuple[list[GenderChoices], int]:
    """What became of the genders, and the number of sentences."""
    service = suite.translation
    if service is None:
        return [], 0
    sentences = profession_sentences(read_words("professions"), service.pairs)
    plans = [service.plan(one.text, TranslationOptions(one.source, one.target, format="plain")) for one in sentences]
    answers = iter(suite.run_blocking([work for plan in plans for work in plan.works]))
    translations = [service.result(plan, [next(answers) for _ in plan.works]).translation for plan in plans]
    for sentence in sentences:
        digest.update(f"{sentence.text}\n".encode())
    return gender_choices(sentences, translations), len(sentences)

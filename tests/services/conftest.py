"""A random tiny model of all services with a tiny vocabulary, and suites over it."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.bundle import Bundle, save_bundle
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_models.heads.tagger import TaggerConfig
from rondo_models.manifest import Contents, Manifest
from rondo_models.model import HeadConfig, RondoModel
from rondo_services.engine.observer import EngineObserver
from rondo_services.engine.scheduler import Limits
from rondo_services.jobs import local
from rondo_services.jobs.files import StateFiles
from rondo_services.jobs.means import SuiteMeans
from rondo_services.jobs.settings import WorkerSettings
from rondo_services.jobs.store import JobStore
from rondo_services.jobs.types import Job
from rondo_services.jobs.worker import JobWorker, WorkerTerms
from rondo_services.local import LocalSuite, load_suite, suite_of
from rondo_tokenizers.training import train_vocabulary
from rondo_tokenizers.vocabulary import Tokenizer

LINES = [
    *(
        "The boat is slow.",
        "The train is late today.",
        "The boat on the river is late.",
        "A slow train is a late train.",
    ),
    *("Das Boot ist langsam.", "Der Zug ist langsam.", "Das Boot und der Zug sind langsam."),
    *("배가 천천히 간다.", "기차가 천천히 간다."),
]
SERVICES: dict[str, dict[str, Any]] = {
    "sentiment": {"languages": ["en"]},
    "generation": {"languages": ["en", "de", "ko"]},
    "summarization": {"languages": ["en"], "longest_source": 32},
    "translation": {"pairs": [["en", "de"], ["de", "en"]], "languages": ["en", "de"]},
}


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    vocabulary = train_vocabulary(LINES, size=320, languages=("en", "de", "ko"), exact=False)
    torch.manual_seed(0)
    heads: dict[str, HeadConfig] = {
        "sentiment": ClassifierConfig(labels=("negative", "positive"), hidden_size=8, ngram_buckets=64),
        "generation": LanguageModelConfig(),
        "translation": Seq2SeqConfig(hidden_size=12),
        "summarization": Seq2SeqConfig(hidden_size=12, copy=True),
    }
    size = Tokenizer(vocabulary).size
    model = RondoModel(BackboneConfig(size, embedding_size=12, hidden_size=12), heads).eval().requires_grad_(False)
    manifest = Manifest("tiny", "1", ("en", "de", "ko"), SERVICES)
    return Bundle(Contents(manifest, model.configs(), vocabulary, "tiny"), model)


FRENCH_LINES = [
    *("The boat is slow.", "The train is late today.", "The boat and the train are slow."),
    *("Le bateau est lent.", "Le train est en retard aujourd'hui.", "Le bateau et le train sont lents."),
]


@pytest.fixture(scope="session")
def french_bundle() -> Bundle:
    """One that translates English and French, of which alone its vocabulary knows, and that knows what is said."""
    vocabulary = train_vocabulary(FRENCH_LINES, size=320, languages=("en", "fr"), exact=False)
    torch.manual_seed(0)
    heads: dict[str, HeadConfig] = {
        "sentiment": ClassifierConfig(labels=("negative", "positive"), hidden_size=8, ngram_buckets=64),
        "translation": Seq2SeqConfig(hidden_size=12),
    }
    size = Tokenizer(vocabulary).size
    model = RondoModel(BackboneConfig(size, embedding_size=12, hidden_size=12), heads).eval().requires_grad_(False)
    services: dict[str, dict[str, Any]] = {
        "sentiment": {"languages": ["en", "fr"]},
        "translation": {"pairs": [["en", "fr"], ["fr", "en"]], "languages": ["en", "fr"]},
    }
    manifest = Manifest("tiny-fr", "1", ("en", "fr"), services)
    return Bundle(Contents(manifest, model.configs(), vocabulary, "tiny-fr"), model)


@pytest.fixture
def french_suite(french_bundle: Bundle) -> Iterator[LocalSuite]:
    suite = suite_of(french_bundle, max_wait_s=0)
    yield suite
    suite.close()


@pytest.fixture
def bundle_folder(bundle: Bundle, tmp_path: Path) -> Path:
    """The bundle as a folder."""
    folder = tmp_path / "bundle"
    save_bundle(folder, bundle.contents.manifest, bundle.model, bundle.contents.tokenizer, "A tiny bundle.")
    return folder


@pytest.fixture
def workers_here(bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalSuite]:
    """Let the worker of a job that somebody waits for run in this process, with this suite."""
    suite = load_suite(bundle_folder, max_wait_s=0)

    def run(store: JobStore, job: Job, settings: WorkerSettings, num_workers: int, show: Callable[[Job], None]) -> Job:
        files = StateFiles(settings.place.files_url)
        terms = WorkerTerms("here", suite.contents.fingerprint, job.id)
        asyncio.run(JobWorker(store, files, SuiteMeans(suite, store, files), terms).run(asyncio.Event()))
        ended = store.job(job.id)
        assert ended is not None
        show(ended)
        return ended

    monkeypatch.setattr(local, "run_in_foreground", run)
    yield suite
    suite.close()


@pytest.fixture
def make_suite(bundle: Bundle) -> Iterator[Callable[..., LocalSuite]]:
    """Suites that are closed at the end of the test."""
    suites = []

    def make(limits: Limits | None = None, observer: EngineObserver | None = None) -> LocalSuite:
        suites.append(suite_of(bundle, limits=limits, max_wait_s=0, observer=observer))
        return suites[-1]

    yield make
    for suite in suites:
        suite.close()


@pytest.fixture
def suite(make_suite: Callable[..., LocalSuite]) -> LocalSuite:
    return make_suite()


@pytest.fixture(scope="session")
def shortening_bundle() -> Bundle:
    """A random tiny bundle that can only shorten."""
    vocabulary = train_vocabulary(LINES, size=320, languages=("en", "de", "ko"), exact=False)
    torch.manual_seed(3)
    size = Tokenizer(vocabulary).size
    heads = {"compression": TaggerConfig(("delete", "keep"), 6, 6)}
    model = RondoModel(BackboneConfig(size, embedding_size=12, hidden_size=12), heads).eval().requires_grad_(False)
    model.head("compression").get_parameter("output.weight").mul_(20)  # so that it is sure, now of this, now of that
    manifest = Manifest("short", "1", ("en",), {"compression": {"languages": ["en"]}})
    return Bundle(Contents(manifest, model.configs(), vocabulary, "short"), model)


@pytest.fixture
def shortening(shortening_bundle: Bundle) -> Iterator[LocalSuite]:
    suite = suite_of(shortening_bundle, max_wait_s=0)
    yield suite
    suite.close()

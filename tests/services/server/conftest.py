"""A random tiny model of all services with a tiny vocabulary, a suite over it, and a client of an app over that."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.bundle import Bundle
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_models.manifest import Contents, Manifest
from rondo_models.model import HeadConfig, RondoModel
from rondo_services.access.control import AccessControl
from rondo_services.engine.observer import EngineObserver
from rondo_services.engine.scheduler import Limits
from rondo_services.local import LocalSuite, suite_of
from rondo_services.server.app import create_app
from rondo_services.server.metrics import ServerMetrics
from rondo_services.server.settings import ServerSettings
from rondo_services.server.telemetry import Telemetry
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

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    vocabulary = train_vocabulary(LINES, size=320, exact=False)
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


@pytest.fixture
def connect() -> Connect:
    """A client of an app in this process."""

    @asynccontextmanager
    async def client(
        suite: LocalSuite,
        settings: ServerSettings | None = None,
        metrics: ServerMetrics | None = None,
        telemetry: Telemetry | None = None,
        access: AccessControl | None = None,
    ) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(suite, settings or ServerSettings(), metrics or ServerMetrics(), telemetry, access)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as connected:
            yield connected

    return client

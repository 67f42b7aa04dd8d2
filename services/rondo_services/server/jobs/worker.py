"""What a worker has that does the jobs of servers in a process of its own."""

from ...jobs.asking import batch_asker
from ...jobs.files import StateFiles
from ...jobs.process import MeansOf
from ...jobs.store import JobStore
from ...suite import Suite
from ..settings import ServerSettings
from .answering import RequestAnswerer
from .means import ServerMeans


def server_means(settings: ServerSettings) -> MeansOf:
    """As the server's embedded worker has them, but for an engine that nobody else asks."""

    def means(suite: Suite, store: JobStore, files: StateFiles) -> ServerMeans:
        suite = suite.called(settings.bundle_name) if settings.bundle_name else suite
        answerer = RequestAnswerer(suite, settings)
        return ServerMeans(suite, store, files, batch_asker(suite), answerer.answer, settings)

    return means

"""A typed client of a Rondo server; needs neither the models nor the server's framework.

>>> with Client("http://127.0.0.1:8000") as rondo:
...     rondo.translate("Where is the station?", target="de").translation

Texts give results, lists give lists, and the services' request models give their reply models.
"""

from .asynchronous import AsyncClient
from .errors import ConnectionFailed, ServerError
from .growing import GrowingSentiment
from .options import GenerateOptions, SentimentOptions, SummarizeOptions, TranslateOptions
from .sync import Client

__all__ = [
    "AsyncClient",
    "Client",
    "ConnectionFailed",
    "GenerateOptions",
    "GrowingSentiment",
    "SentimentOptions",
    "ServerError",
    "SummarizeOptions",
    "TranslateOptions",
]

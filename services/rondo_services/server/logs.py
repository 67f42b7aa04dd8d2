"""How the server's log looks: lines for people, or JSON for a collector. All of it goes to standard error."""

import logging
from typing import Any, Literal, TextIO

from pythonjsonlogger.json import JsonFormatter

LogFormat = Literal["text", "json"]


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        fields: dict[str, Any] = getattr(record, "fields", {})
        return " ".join([line, *(f"{name}={value}" for name, value in fields.items())])


class _JsonFormatter(JsonFormatter):
    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        fields = log_data.pop("fields", {})
        return {**super().process_log_record(log_data), **fields}


def new_handler(kind: LogFormat, stream: TextIO | None = None) -> logging.Handler:
    """Writes lines to a stream, by default standard error."""
    handler = logging.StreamHandler(stream)
    if kind == "json":
        names = {"levelname": "level", "name": "logger"}
        pattern = "{levelname}{name}{message}"
        handler.setFormatter(_JsonFormatter(pattern, style="{", rename_fields=names, timestamp="time"))
    else:
        handler.setFormatter(_TextFormatter("%(levelname)s %(name)s: %(message)s"))
    return handler


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """uvicorn complains of each WebSocket whose handshake was answered with a refusal, as the specification allows."""
    return record.msg != "ASGI callable returned without completing handshake."


def configure_logs(kind: LogFormat) -> None:
    """Write all that is logged in this process from now on, libraries' warnings included, in that way."""
    logging.basicConfig(level=logging.INFO, handlers=[new_handler(kind)], force=True)
    logging.getLogger("uvicorn.error").addFilter(_is_worth_a_line)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it names what it runs on at each opening
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it has a line for each request of a batch

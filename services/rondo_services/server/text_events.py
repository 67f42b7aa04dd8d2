"""A text that is being written as server-sent events: those that the usual way makes of it, to the byte."""

import json

from pydantic_core import to_json

from ..engine.requests import FinishReason, Generate, Generated
from ..errors import RondoError
from ..generation.schema import GeneratePiece
from ..generation.service import GenerationService, TextPieces
from .errors import failure_of
from .shapes import native_shape


class TextEvents:
    """Tells of the only text of a request.

    Args:
        pieces: of a text of which nothing has been written.
        work: what the engine does for it.
    """

    __slots__ = ("_pieces", "_service", "_work")

    def __init__(self, service: GenerationService, pieces: TextPieces, work: Generate) -> None:
        self._service = service
        self._pieces = pieces
        self._work = work

    @property
    def stopped(self) -> bool:
        """Whether a stop text has come, so that nothing more is wanted."""
        return self._pieces.stopped

    def of_token(self, identifier: int) -> list[bytes]:
        """What its next token brings: no event, one, or the last ones."""
        text = self._pieces.add(identifier)
        if self._pieces.stopped:
            return self._last(text, "stop")
        return [b'data: {"index":0,"text":%b}\n\n' % to_json(text)] if text else []

    def of_end(self, answer: Generated) -> list[bytes]:
        """The last events, once all tokens have come."""
        return self._last(self._pieces.rest(), answer.finish_reason)

    def _last(self, text: str, finish_reason: FinishReason) -> list[bytes]:
        usage = self._service.usage(self._work, self._pieces.num_ids)
        piece = GeneratePiece(index=0, text=text, finish_reason=finish_reason, usage=usage)
        return [b"data: %b\n\n" % piece.model_dump_json(exclude_none=True).encode(), b"data: [DONE]\n\n"]


def event_of_error(error: RondoError) -> bytes:
    """The last event of a stream that breaks off."""
    _, body = native_shape(failure_of(error))
    return b"data: %b\n\n" % json.dumps(body).encode()

"""An inference request's body: unpacked, the JSON parsed, and the bytes that follow it. No content type is needed."""

import zlib

from fastapi import HTTPException, Request

from ....errors import InvalidInput
from ....whole_numbers import whole_number
from ...json_limits import check_json
from ...settings import ServerSettings
from ..native import parsed
from .schema import InferRequest
from .tensors import BinaryPart

JSON_LENGTH = "Inference-Header-Content-Length"
_GZIP_OR_ZLIB = 47
"""`wbits` of zlib for both, each told by its beginning."""


async def read_request(http: Request, settings: ServerSettings) -> tuple[InferRequest, BinaryPart]:
    """The request, and the bytes of those inputs that are not in its JSON.

    Raises:
        InvalidInput: the body is cut or the JSON's length can't be.
        RequestValidationError: the JSON is none, or of another form.
        HTTPException: it is packed in an unknown way (415), or too large once it is unpacked (413).
    """
    content = _unpacked(await http.body(), http.headers.get("content-encoding", ""), settings.max_body_bytes)
    length = len(content)
    if (given := http.headers.get(JSON_LENGTH)) is not None:
        told = whole_number(given)
        if told is None or not 1 <= told <= length:
            raise InvalidInput(f"{JSON_LENGTH} must be a whole number from 1 to the body's {length}", field=JSON_LENGTH)
        length = told
    check_json(content[:length], settings.max_json_depth, settings.max_json_values)
    return parsed(InferRequest, content[:length]), BinaryPart(content[length:])


def _unpacked(content: bytes, encoding: str, max_bytes: int) -> bytes:
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return content
    if encoding not in ("gzip", "deflate"):
        raise HTTPException(415, f"Content-Encoding {encoding!r} is not known; send gzip, deflate or neither")
    unpacking = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        unpacked = unpacking.decompress(content, max_bytes + 1)
    except zlib.error as error:
        raise InvalidInput(f"the body is no {encoding}: {error}") from error
    if len(unpacked) > max_bytes:
        raise HTTPException(413, f"the body is larger than {max_bytes} bytes once it is unpacked")
    if not unpacking.eof or unpacking.unused_data:
        raise InvalidInput(f"the body is not one whole {encoding} stream")
    return unpacked

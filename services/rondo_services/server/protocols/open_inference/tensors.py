"""Tensors as they come and go: shapes, JSON lists, and bytes after the JSON. Knows nothing of models."""

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ....errors import InvalidInput
from .schema import Datatype, InputTensor

_FORMATS = {"BOOL": "?", "INT64": "q", "FP32": "f", "FP64": "d"}
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Tensor:
    """Elements in row-major order; text for BYTES."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    elements: Sequence[Any]


class BinaryPart:
    """The bytes after the JSON, from which the inputs take theirs in order."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._taken = 0

    def take(self, size: int, name: str) -> bytes:
        """The next bytes.

        Raises:
            InvalidInput: there are not so many.
        """
        left = len(self._content) - self._taken
        if size > left:
            raise InvalidInput(
                f"input {name!r}: binary_data_size is {size}, but only {left} bytes are left", field=name
            )
        self._taken += size
        return self._content[self._taken - size : self._taken]

    def check_empty(self) -> None:
        """Make sure that all has been taken.

        Raises:
            InvalidInput: something is left.
        """
        if self._taken != len(self._content):
            raise InvalidInput(f"{len(self._content) - self._taken} bytes at the end of the body belong to no input")


def read_tensor(given: InputTensor, datatype: Datatype, binary: BinaryPart) -> Tensor:
    """An input's elements.

    Raises:
        InvalidInput: another datatype, no data or twice, elements that are none, or not as many as the shape says.
    """
    name = given.name
    if given.datatype != datatype:
        raise InvalidInput(f"input {name!r}: datatype {given.datatype}; it must be {datatype}", field=name)
    size = given.parameters.binary_data_size if given.parameters is not None else None
    if (given.data is None) == (size is None):
        raise InvalidInput(f"input {name!r} needs either data or binary_data_size", field=name)
    if size is not None:
        elements = _unpacked(binary.take(size, name), datatype, name)
    else:
        elements = list(_flat(given.data or []))
        if datatype == "BYTES" and not all(isinstance(element, str) for element in elements):
            raise InvalidInput(f"input {name!r}: the elements of BYTES must be strings", field=name)
        if None in elements:
            raise InvalidInput(f"input {name!r}: an element is null; leave the input out for the default", field=name)
    count = math.prod(given.shape)
    if len(elements) != count:
        raise InvalidInput(f"input {name!r}: {len(elements)} elements, but shape {given.shape} has {count}", field=name)
    return Tensor(name, datatype, tuple(given.shape), elements)


def packed(tensor: Tensor) -> bytes:
    """A tensor's elements as bytes: little-endian; of BYTES each after its length in four bytes."""
    if tensor.datatype != "BYTES":
        return struct.pack(f"<{len(tensor.elements)}{_FORMATS[tensor.datatype]}", *tensor.elements)
    contents = [element.encode() for element in tensor.elements]
    return b"".join(part for content in contents for part in (_LENGTH.pack(len(content)), content))


def _unpacked(content: bytes, datatype: Datatype, name: str) -> list[Any]:
    if datatype == "BYTES":
        return list(_texts(content, name))
    width = struct.calcsize(f"<{_FORMATS[datatype]}")
    if len(content) % width:
        raise InvalidInput(f"input {name!r}: {len(content)} bytes are no whole number of {datatype}", field=name)
    return list(struct.unpack(f"<{len(content) // width}{_FORMATS[datatype]}", content))


def _texts(content: bytes, name: str) -> Iterator[str]:
    position = 0
    while position < len(content):
        begin = position + _LENGTH.size
        end = begin + _LENGTH.unpack_from(content, position)[0] if begin <= len(content) else begin
        if end > len(content):
            raise InvalidInput(f"input {name!r}: its bytes end within an element", field=name)
        try:
            yield content[begin:end].decode()
        except UnicodeDecodeError as error:
            raise InvalidInput(f"input {name!r}: an element is no UTF-8: {error.reason}", field=name) from error
        position = end


def _flat(data: list[Any]) -> Iterator[Any]:
    for element in data:
        if isinstance(element, list):
            yield from _flat(element)
        else:
            yield element

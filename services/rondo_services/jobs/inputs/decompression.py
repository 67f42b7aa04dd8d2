"""Blocks of compressed bytes → blocks of bytes, in bounded memory. Knows no file."""

import lzma
import zlib
from collections.abc import Callable, Generator, Iterator
from itertools import chain
from typing import Protocol, TypeVar

import zstandard

from .endings import Packing

_LARGEST = 1 << 18
_MOST_MEMORY = 1 << 27
"""A file may ask for windows of gigabytes; `xz -9` and `zstd --ultra -22` ask for at most this."""
_ZSTD_SLICE = 1 << 10
"""As zstd can't be told when to stop; 1 KiB of its most repetitive data are 32 MiB."""
_MAGIC: dict[bytes, Packing] = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


MOST_TIMES = 100
_ALWAYS_TAKEN = 1 << 26


def is_too_much(num_unpacked: int, num_packed: int) -> bool:
    """Whether so many bytes unpack to more than anything that somebody wrote: `MOST_TIMES` as many, and 64 MiB."""
    return num_unpacked > max(_ALWAYS_TAKEN, MOST_TIMES * num_packed)


class BrokenData(Exception):
    """Compressed data that are none, are damaged, or end too early."""


class _Member(Protocol):
    @property
    def eof(self) -> bool: ...


M = TypeVar("M", bound=_Member)


def unpacked_blocks(blocks: Iterator[bytes], packing: Packing | None, *, by_content: bool) -> Iterator[bytes]:
    """The decompressed bytes, also of several members or frames one after the other.

    Args:
        packing: None for bytes as they are.
        by_content: if `packing` is None, go by the first bytes. No text in UTF-8 begins as compressed data do.

    Raises (while they are read, after all that could be read):
        BrokenData: see there.
    """
    if packing is None and by_content:
        first = next(blocks, b"")
        packing = next((name for magic, name in _MAGIC.items() if first.startswith(magic)), None)
        blocks = chain((first,), blocks)
    match packing:
        case None:
            return blocks
        case "gzip":
            return _unpacked(blocks, packing, lambda: zlib.decompressobj(31), _gzip)
        case "xz":
            return _unpacked(blocks, packing, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _MOST_MEMORY), _xz)
        case "zstd":
            decompressor = zstandard.ZstdDecompressor(max_window_size=_MOST_MEMORY)
            return _unpacked(blocks, packing, decompressor.decompressobj, _zstd)


def _unpacked(
    blocks: Iterator[bytes],
    packing: Packing,
    begin: Callable[[], M],
    feed: Callable[[M, bytes], Generator[bytes, None, bytes]],
) -> Iterator[bytes]:
    member, num_members = None, 0
    try:
        for block in blocks:
            rest = block
            while rest:
                if member is None:
                    rest = rest.lstrip(b"\0") if num_members else rest  # padding between members
                    if not rest:
                        break
                    member, num_members = begin(), num_members + 1
                rest = yield from feed(member, rest)
                if member.eof:
                    member = None
    except (zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise BrokenData(f"the {packing} data are damaged, or none at all ({error})") from error
    if member is not None or not num_members:
        raise BrokenData(f"the {packing} data end too early; is the file complete?")


# Each gives a member some data, hands out what that makes, and returns what comes after the member's end.


def _gzip(member: "zlib._Decompress", data: bytes) -> Generator[bytes, None, bytes]:
    while data and not member.eof:
        yield member.decompress(data, _LARGEST)
        data = member.unconsumed_tail
    return member.unused_data


def _xz(member: lzma.LZMADecompressor, data: bytes) -> Generator[bytes, None, bytes]:
    yield member.decompress(data, _LARGEST)
    while not (member.eof or member.needs_input):
        yield member.decompress(b"", _LARGEST)
    return member.unused_data


def _zstd(member: "zstandard.ZstdDecompressionObj", data: bytes) -> Generator[bytes, None, bytes]:
    for start in range(0, len(data), _ZSTD_SLICE):
        yield from _in_parts(member.decompress(data[start : start + _ZSTD_SLICE]))
        if member.eof:
            return member.unused_data + data[start + _ZSTD_SLICE :]
    return b""


def _in_parts(data: bytes) -> Iterator[bytes]:
    for begin in range(0, len(data), _LARGEST):
        yield data[begin : begin + _LARGEST]

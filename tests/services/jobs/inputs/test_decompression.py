import gzip
import io
import lzma
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from rondo_services.jobs.inputs.decompression import BrokenData, unpacked_blocks
from rondo_services.jobs.inputs.endings import Packing

COMPRESS: dict[Packing, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "zstd": zstandard.compress,
}
packings = pytest.mark.parametrize("packing", COMPRESS)


def blocks(data: bytes, size: int) -> Iterator[bytes]:
    return iter([data[start : start + size] for start in range(0, len(data), size)])


def unpacked(data: bytes, packing: Packing | None, size: int = 1000, by_content: bool = False) -> bytes:
    return b"".join(unpacked_blocks(blocks(data, size), packing, by_content=by_content))


@packings
@given(members=st.lists(st.binary(max_size=5000), min_size=1, max_size=4), size=st.integers(1, 3000))
def test_members_one_after_the_other_in_any_blocks(packing: Packing, members: list[bytes], size: int) -> None:
    data = b"".join(map(COMPRESS[packing], members))
    assert unpacked(data, packing, size) == b"".join(members)


@packings
def test_the_first_bytes_tell_if_nothing_else_does(packing: Packing) -> None:
    data = COMPRESS[packing](b"content")
    assert unpacked(data, None, by_content=True) == b"content"
    assert unpacked(data, None) == data
    assert unpacked(b"plain", None, by_content=True) == b"plain"


@packings
def test_padding_between_members_is_none(packing: Packing) -> None:
    if packing == "zstd":  # has frames to skip instead
        skipped = b"\x50\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"
        assert unpacked(skipped + zstandard.compress(b"one") + skipped, packing) == b"one"
    else:
        one = COMPRESS[packing](b"one")
        assert unpacked(one + bytes(8) + one + bytes(4), packing, 3) == b"oneone"


@packings
def test_what_comes_before_the_end_of_a_cut_file_is_read(packing: Packing) -> None:
    first, second = bytes(3000), zlib.compress(bytes(range(256)) * 30)
    data = COMPRESS[packing](first) + COMPRESS[packing](second)[:-5]
    got = io.BytesIO()
    with pytest.raises(BrokenData, match=f"{packing} data end too early"):
        got.writelines(unpacked_blocks(blocks(data, 100), packing, by_content=False))
    assert got.getvalue().startswith(first)


@packings
@pytest.mark.parametrize("data", [b"no compressed data at all", b""])
def test_data_of_another_kind(packing: Packing, data: bytes) -> None:
    with pytest.raises(BrokenData, match=f"the {packing} data"):
        unpacked(data, packing)


@packings
def test_what_grows_a_thousandfold_is_handed_out_in_parts(packing: Packing) -> None:
    """A small file can unpack to more than the memory that there is."""
    data = {
        "gzip": lambda: gzip.compress(bytes(1 << 27), 9),
        "xz": lambda: lzma.compress(bytes(1 << 27), preset=0),
        "zstd": lambda: zstandard.compress(bytes(1 << 27), 3),
    }[packing]()
    tracemalloc.start()
    size = sum(map(len, unpacked_blocks(iter([data]), packing, by_content=False)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == 1 << 27
    assert peak < 1 << 26


def test_windows_of_gigabytes_are_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=29)
    out = io.BytesIO()
    with zstandard.ZstdCompressor(compression_params=parameters).stream_writer(out, closefd=False) as writer:
        writer.write(b"text")
    with pytest.raises(BrokenData, match="too much memory"):
        unpacked(out.getvalue(), "zstd")

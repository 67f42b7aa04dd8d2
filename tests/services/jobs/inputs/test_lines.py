import tracemalloc
from collections import deque
from collections.abc import Iterator
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_services.errors import InvalidInput
from rondo_services.jobs.inputs.decompression import BrokenData
from rondo_services.jobs.inputs.lines import LONGEST_LINE, lines_of


@given(st.lists(st.binary(max_size=8)), st.booleans())
def test_blocks_are_cut_at_line_feeds_wherever_they_end(parts: list[bytes], with_mark: bool) -> None:
    content = (b"\xef\xbb\xbf" if with_mark else b"") + b"ab" + b"".join(parts)
    blocks = [content[:1], content[1:2], content[2:4], content[4:]]
    expected = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    assert list(lines_of(iter(blocks), "a")) == (expected if expected[-1] else expected[:-1])


@pytest.mark.parametrize(("content", "expected"), [(b"", []), (b"\n", [b""]), (b"a\r\n\nb", [b"a\r", b"", b"b"])])
def test_ends_of_lines(content: bytes, expected: list[bytes]) -> None:
    assert list(lines_of(iter([content]), "a")) == expected


@pytest.mark.parametrize("size", [1000, 65_536, 10_000_000])
def test_a_line_that_is_too_long_is_passed_over(size: int) -> None:
    longest, too_long = b"x" * LONGEST_LINE, b"y" * (LONGEST_LINE + 1)
    content = b"\n".join([b"a", longest, too_long, b"b", too_long])
    blocks = (content[start : start + size] for start in range(0, len(content), size))
    assert list(lines_of(blocks, "a")) == [b"a", longest, None, b"b", None]


def test_a_line_without_end_takes_no_memory() -> None:
    block = b"x" * 65_536
    tracemalloc.start()
    assert list(lines_of((block for _ in range(2000)), "a")) == [None]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_a_break_is_raised_after_the_whole_lines_before_it() -> None:
    def blocks() -> Iterator[bytes]:
        yield b"one\ntwo\nthr"
        raise BrokenData("gone")

    lines = lines_of(blocks(), "a.gz")
    assert [next(lines), next(lines)] == [b"one", b"two"]
    with pytest.raises(InvalidInput, match=r"^a\.gz, after line 2: gone"):
        next(lines)


def test_utf_16_is_called_by_its_name() -> None:
    with pytest.raises(InvalidInput, match="UTF-16; save it as UTF-8"):
        list(lines_of(iter(["text\n".encode("utf-16")]), "a.txt"))


def test_blank_lines_without_end_are_refused() -> None:
    found = lines_of(repeat(b"\n \n" * 50_000), "a.txt")
    with pytest.raises(InvalidInput, match=r"a.txt, after line [\d,]+: over 4,000,000 bytes of blank lines"):
        deque(found, maxlen=0)
    few = chain.from_iterable((b"a\n", b"\n" * 3_000_000) for _ in range(3))
    assert sum(1 for line in lines_of(iter(few), "a.txt") if line) == 3

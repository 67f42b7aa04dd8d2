"""The fields of server-sent events, in whatever portions their bytes come."""

from collections.abc import Iterator


class EventLines:
    """Reads one stream. Not by httpx's `iter_lines`: JSON may hold U+2028, which that takes for the end of a line."""

    def __init__(self) -> None:
        self._rest = b""

    def fields(self, content: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Name and value of each line that more bytes complete."""
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            name, _, value = line.partition(b":")
            yield name, value.strip()

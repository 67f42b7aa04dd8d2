"""How much is read between two decoding steps while somebody listens to what they write."""

_SMOOTHING = 0.1
_FASTEST_CHANGE = 2.0


class Pace:
    """Tokens to read at a time, so that reading them takes about `ratio` times as long as a step.

    What a token takes to read depends on what else is read with it, so the number is not computed: it grows while
    reading was quicker than that and shrinks while it was slower.

    Args:
        least, most: bounds of the number.
    """

    def __init__(self, ratio: float, least: int, most: int) -> None:
        self._ratio = ratio
        self._least = least
        self._most = most
        self._tokens = float(least)
        self._step_s = 0.0

    @property
    def tokens(self) -> int:
        """How many to read next."""
        return int(self._tokens)

    def stepped(self, seconds: float) -> None:
        """Note how long a step took."""
        self._step_s += _SMOOTHING * (seconds - self._step_s) if self._step_s else seconds

    def read(self, num_tokens: int, seconds: float) -> None:
        """Note how long it took to read so many."""
        if not num_tokens or not seconds or not self._step_s:
            return
        change = self._ratio * self._step_s / seconds
        if num_tokens < self._tokens and change > 1:  # less was there than might have been read
            return
        change = min(max(change, 1 / _FASTEST_CHANGE), _FASTEST_CHANGE)
        self._tokens = min(max(self._tokens * change, self._least), self._most)

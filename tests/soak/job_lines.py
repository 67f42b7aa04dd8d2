"""The input of the job that is disturbed: different lines with ids, some of which can't be answered."""

import json
import random
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

_BAD_EVERY = 97
_BAD = ('{"id": %d, "text": "brok', '{"id": %d}', '{"id": %d, "text": 5}', '{"id": %d, "text": "\\ud800"}')
_MOST_SENTENCES = 3


def write_lines(path: Path, sentences: Sequence[str], count: int, seed: int) -> int:
    """Write so many lines of JSON, no two alike; the result is how many of them are not as they should be.

    Args:
        sentences: of which the texts are made; where they are fewer than `count`, one to three a text.

    Raises:
        ValueError: there are not enough sentences for so many different lines.
    """
    distinct = list(dict.fromkeys(sentences))
    if len(distinct) < count and sum(len(distinct) ** k for k in range(1, _MOST_SENTENCES + 1)) < 2 * count:
        raise ValueError(f"{len(distinct)} sentences are too few for {count} different lines")
    texts = iter(distinct) if len(distinct) >= count else _combined(distinct, random.Random(seed))
    num_bad = 0
    with path.open("w", encoding="utf-8") as file:
        for number, text in enumerate(islice(texts, count), 1):
            if number % _BAD_EVERY == 0:
                file.write(_BAD[num_bad % len(_BAD)] % number + "\n")
                num_bad += 1
            else:
                file.write(json.dumps({"id": number, "text": text}, ensure_ascii=False) + "\n")
    return num_bad


def _combined(sentences: Sequence[str], rng: random.Random) -> Iterator[str]:
    """Texts of some sentences each, for ever; none twice."""
    seen: set[str] = set()
    while True:
        text = " ".join(rng.choices(sentences, k=rng.randint(1, _MOST_SENTENCES)))
        if text not in seen:
            seen.add(text)
            yield text

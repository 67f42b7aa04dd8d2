"""Reader of AESLC (Zhang & Tetreault 2019, arXiv:1906.03497): Enron's e-mails with their subject lines.

In dev and test three people each wrote a further subject, so that there are four references. An e-mail is its first
`LONGEST_EMAIL` words, in training and evaluation alike: a tenth are longer, mostly by what they forward or attach.
"""

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from .examples import Pair, Split
from .files import DataMissing

LONGEST_EMAIL = 200

_MARK = re.compile(r"^@(subject|ann\d)$", re.MULTILINE)


def subjects(root: Path, split: Split) -> Iterator[Pair]:
    """E-mail → subject; of dev and test the written one and those of the annotators are references."""
    for email, (subject, *annotated) in _emails(root, split):
        references = (subject, *annotated) if annotated else ()
        yield Pair(email, subject, "en", "en", references)


def original_subjects(root: Path, split: Split) -> Iterator[Pair]:
    """The same, but the subject that the e-mail had is the only reference."""
    for email, (subject, *_) in _emails(root, split):
        yield Pair(email, subject, "en", "en", () if split == "train" else (subject,))


def _emails(root: Path, split: Split) -> Iterator[tuple[str, list[str]]]:
    """E-mails with their subjects, the one that was written first, in the archive's order."""
    path = root / "aeslc" / "aeslc.tar.xz"
    if not path.is_file():
        raise DataMissing(f"{path} is missing")
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is None or Path(member.name).parent.name != split or not member.name.endswith(".subject"):
                continue
            body, *marked = _MARK.split(file.read().decode())
            yield beginning(body), [text.strip() for text in marked[1::2]]


def beginning(text: str) -> str:
    """The first `LONGEST_EMAIL` words on the lines that they stand on, a space between two."""
    lines, num_left = [], LONGEST_EMAIL
    for line in text.splitlines():
        words = line.split()[:num_left]
        if words:
            lines.append(" ".join(words))
            num_left -= len(words)
    return "\n".join(lines)

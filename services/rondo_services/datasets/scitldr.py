"""Reader of SciTLDR-A (Cachola et al. 2020, arXiv:2004.15011): abstracts of papers on machine learning with a summary
in one sentence, the TLDR. In dev and test there are further TLDRs, made of what reviewers wrote.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .examples import Labelled, Pair, Split
from .files import lines

SALIENCE = ("other", "summary")


def summaries(root: Path, split: Split) -> Iterator[Pair]:
    """Abstract → TLDR; of dev and test the authors' and the others are references."""
    for row in _rows(root, split):
        abstract = " ".join(sentence.strip() for sentence in row["source"] if sentence.strip())
        targets = [target.strip() for target in row["target"]]
        if split == "train":
            yield from (Pair(abstract, target, "en", "en") for target in targets)
        else:
            yield Pair(abstract, targets[0], "en", "en", tuple(targets))


def sentences(root: Path, split: Split) -> Iterator[Labelled]:
    """The abstracts' sentences; the set tells which of each abstract is nearest to its TLDR by ROUGE."""
    for row in _rows(root, split):
        for sentence, is_nearest in zip(row["source"], row["source_labels"], strict=True):
            if sentence.strip():
                yield Labelled(sentence.strip(), SALIENCE[is_nearest], "en")


def _rows(root: Path, split: Split) -> Iterator[dict[str, Any]]:
    return map(json.loads, lines(root / "scitldr" / f"{split}.jsonl"))

"""Reader of SciTLDR-A (Cachola et al. 2020, arXiv:2004.15011): abstracts of papers on machine learning with a summary
in one sentence, the TLDR. In dev and test there are further TLDRs, made of what reviewers wrote.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from .examples import Pair, Split
from .files import lines


def summaries(root: Path, split: Split) -> Iterator[Pair]:
    """Abstract → TLDR; of dev and test the authors' and the others are references."""
    for line in lines(root / "scitldr" / f"{split}.jsonl"):
        row = json.loads(line)
        abstract = " ".join(sentence.strip() for sentence in row["source"])
        targets = [target.strip() for target in row["target"]]
        if split == "train":
            yield from (Pair(abstract, target, "en", "en") for target in targets)
        else:
            yield Pair(abstract, targets[0], "en", "en", tuple(targets))

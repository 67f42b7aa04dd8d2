"""The peer's side of `peers.py`. Runs in the peers' environment and needs nothing but Python.

The first job prepares the model and is answered with what the peer is; each further one is a timed pass over the whole
work at one batch size. Whatever libraries print goes to standard error.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

Write = Callable[[int], int]
"""Does the whole work at a batch size and returns how many tokens were written."""


def answer_jobs(prepare: Callable[[dict[str, Any]], tuple[dict[str, Any], Write]]) -> None:
    """Answer jobs until standard input ends.

    Args:
        prepare: from the first job, what the peer says of itself and what does the work.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value: dict[str, Any]) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    write: Write | None = None
    for line in sys.stdin:
        job = json.loads(line)
        try:
            if write is None:
                about, write = prepare(job)
                answer(about)
                continue
            began = time.perf_counter()
            num_tokens = write(job["batch_size"])
            answer({"num_tokens": num_tokens, "seconds": time.perf_counter() - began})
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            answer({"error": f"{type(error).__name__}: {lines[0]}"})
            raise

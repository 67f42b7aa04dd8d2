"""Moves the searches of a lane one token on, and decodes whole batches with a plain loop."""

from collections.abc import Sequence

import torch

from ..backbone import Encoded
from ..executor import Executor
from ..training.sequences import padded
from .beam import BeamSearch
from .lanes import Lane, Stepped
from .parameters import BeamParameters, Hypothesis, SamplingParameters
from .prompts import PromptState
from .sampling import Sampler


def advance_beams(stepped: Stepped, searches: Sequence[BeamSearch]) -> tuple[list[int], list[int]]:
    """Extend every search with the step's scores.

    Args:
        stepped: of the lane whose rows are the rows of the searches, one search after another.

    Returns:
        for each row that runs on, the row of this step that it extends and its new token.
    """
    counts = [search.num_candidates for search in searches]
    most = min(max(counts), stepped.scores.num_tokens)
    options = stepped.scores.likeliest(most)
    parents: list[int] = []
    tokens: list[int] = []
    begin = 0
    for search, count in zip(searches, counts, strict=True):
        end = begin + search.num_rows
        if stepped.attention is not None and search.parameters.coverage_penalty:
            search.observe(stepped.attention[begin:end])
        own = options[begin:end]
        search_parents, search_tokens = search.advance(own if count >= most else [row[:count] for row in own])
        parents += [begin + parent for parent in search_parents]
        tokens += search_tokens
        begin = end
    return parents, tokens


def advance_samplers(stepped: Stepped, samplers: Sequence[Sampler]) -> tuple[list[int], list[int]]:
    """Write one more token of every sampled sequence; returns as `advance_beams` does."""
    parents, tokens = [], []
    for row, (sampler, (identifier, log_probability)) in enumerate(
        zip(samplers, stepped.scores.choose(samplers), strict=True)
    ):
        sampler.accept(identifier, log_probability)
        if sampler.finish_reason is None:
            parents.append(row)
            tokens.append(identifier)
    return parents, tokens


@torch.inference_mode()
def decode_batch(
    executor: Executor, head: str, encoded: Encoded, first_ids: Sequence[int], parameters: BeamParameters, end_id: int
) -> list[list[Hypothesis]]:
    """Beam search for every row of `encoded`, from start to end: the plain loop that the engine is held to.

    Args:
        first_ids: the decoder's first symbol, one a row.
    """
    searches = [BeamSearch(parameters, end_id) for _ in first_ids]
    state = executor.begin(head, encoded)
    ids = list(first_ids)
    running = searches
    while running:
        (stepped,) = executor.step([Lane(head, torch.tensor(ids), state)])
        parents, ids = advance_beams(stepped, running)
        running = [search for search in running if not search.done]
        if running:
            state = stepped.state.select(torch.tensor(parents))
    return [search.best() for search in searches]


@torch.inference_mode()
def generate(
    executor: Executor,
    head: str,
    prompt: Sequence[int],
    before: PromptState,
    parameters: SamplingParameters,
    end_id: int,
) -> Sampler:
    """Go on from one prompt, which needs at least one id, after what was read `before`, with a plain loop."""
    sampler = Sampler(parameters, prompt, end_id)
    stepped = executor.first_step(head, executor.read_prompts(head, *padded([prompt], 0), before))
    while True:
        _, ids = advance_samplers(stepped, [sampler])
        if not ids:
            return sampler
        (stepped,) = executor.step([Lane(head, torch.tensor(ids), stepped.state)])

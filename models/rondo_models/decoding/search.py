"""Moves the searches of a lane one token on, and decodes whole batches with the plain loop."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..backbone import Encoded
from ..model import RondoModel
from .beam import BeamSearch
from .lanes import Lane, Stepped, start_seq2seq, step
from .parameters import BeamParameters, Hypothesis, SamplingParameters
from .prompts import first_step, read_prompts
from .sampling import Sampler, choose


def forbid(log_probabilities: Tensor, forbidden: Tensor) -> None:
    """Make the ids in `forbidden` impossible, in place."""
    log_probabilities.index_fill_(1, forbidden, -torch.inf)


def advance_beams(stepped: Stepped, searches: Sequence[BeamSearch]) -> tuple[list[int], list[int]]:
    """Extend every search with the step's scores.

    Args:
        stepped: of the lane whose rows are the rows of the searches, one search after another.

    Returns:
        for each row that runs on, the row of this step that it extends and its new token.
    """
    scores = stepped.log_probabilities
    begin = 0
    for search in searches:
        rows = slice(begin, begin + search.num_rows)
        search.block(scores[rows])
        if stepped.attention is not None:
            search.observe(stepped.attention[rows])
        begin = rows.stop
    count = min(max(search.num_candidates for search in searches), scores.shape[1])
    values, ids = scores.topk(count, dim=-1)
    options = [list(zip(i, v, strict=True)) for i, v in zip(ids.tolist(), values.tolist(), strict=True)]
    parents: list[int] = []
    tokens: list[int] = []
    begin = 0
    for search in searches:
        num_rows = search.num_rows
        candidates = [row[: search.num_candidates] for row in options[begin : begin + num_rows]]
        search_parents, search_tokens = search.advance(candidates)
        parents.extend(begin + parent for parent in search_parents)
        tokens.extend(search_tokens)
        begin += num_rows
    return parents, tokens


def advance_samplers(stepped: Stepped, samplers: Sequence[Sampler]) -> tuple[list[int], list[int]]:
    """Write one more token of every sampled sequence; returns as `advance_beams` does."""
    parents, tokens = [], []
    for row, (sampler, (identifier, log_probability)) in enumerate(
        zip(samplers, choose(stepped.log_probabilities, samplers), strict=True)
    ):
        sampler.accept(identifier, log_probability)
        if sampler.finish_reason is None:
            parents.append(row)
            tokens.append(identifier)
    return parents, tokens


@torch.inference_mode()
def decode_batch(
    model: RondoModel,
    head: str,
    encoded: Encoded,
    first_ids: Sequence[int],
    parameters: BeamParameters,
    end_id: int,
    forbidden: Tensor,
) -> list[list[Hypothesis]]:
    """Beam search for every row of `encoded`, from start to end: the plain reference for the engine.

    Args:
        first_ids: the decoder's first symbol, one a row.
        forbidden: ids that must not be written.
    """
    seq2seq = model.seq2seq(head)
    searches = [BeamSearch(parameters, end_id) for _ in first_ids]
    state = start_seq2seq(model, head, seq2seq.read(encoded))
    ids = list(first_ids)
    running = searches
    while running:
        (stepped,) = step(model, [Lane(head, torch.tensor(ids), state)])
        forbid(stepped.log_probabilities, forbidden)
        parents, ids = advance_beams(stepped, running)
        running = [search for search in running if not search.done]
        if running:
            state = stepped.state.select(torch.tensor(parents))
    return [search.best() for search in searches]


@torch.inference_mode()
def generate(
    model: RondoModel,
    head: str,
    prompt: Sequence[int],
    parameters: SamplingParameters,
    end_id: int,
    forbidden: Tensor,
) -> Sampler:
    """Go on from one prompt with the plain loop; the prompt needs at least one id."""
    sampler = Sampler(parameters, prompt, end_id)
    stepped = first_step(model, head, read_prompts(model, head, [prompt]))
    while True:
        forbid(stepped.log_probabilities, forbidden)
        _, ids = advance_samplers(stepped, [sampler])
        if not ids:
            return sampler
        (stepped,) = step(model, [Lane(head, torch.tensor(ids), stepped.state)])

"""Moves the searches of a lane one token on, and decodes whole batches with a plain loop."""

from collections.abc import Sequence

import torch

from ..backbone import Encoded
from ..executor import Executor
from ..training.sequences import padded
from .beam import BeamSearch
from .constrained import ConstrainedSearch
from .lanes import Lane, Stepped
from .parameters import BeamParameters, Hypothesis, SamplingParameters
from .phrases import WordPieces
from .prompts import PromptState
from .sampling import Candidate, Sampler


def begin_search(
    parameters: BeamParameters, end_id: int, num_attended: int = 0, words: WordPieces | None = None
) -> BeamSearch:
    """The search that the parameters ask for; the others as `BeamSearch` and `ConstrainedSearch` explain them."""
    if parameters.required:
        return ConstrainedSearch(parameters, end_id, num_attended, words)
    return BeamSearch(parameters, end_id, num_attended)


def advance_beams(stepped: Stepped, searches: Sequence[BeamSearch]) -> tuple[list[int], list[int]]:
    """Extend every search with the step's scores.

    Args:
        stepped: of the lane whose rows are the rows of the searches, one search after another.

    Returns:
        for each row that runs on, the row of this step that it extends and its new token.
    """
    options = _likeliest(stepped, searches)
    needed = _needed(stepped, searches)
    parents: list[int] = []
    tokens: list[int] = []
    begin = 0
    for search in searches:
        end = begin + search.num_rows
        if stepped.attention is not None and search.observes:
            search.observe(stepped.attention[begin:end])
        own = options[begin:end]
        if needed:
            own = [[*likeliest, *needed.get(row, ())] for row, likeliest in enumerate(own, start=begin)]
        search_parents, search_tokens = search.advance(own)
        parents += [begin + parent for parent in search_parents]
        tokens += search_tokens
        begin = end
    return parents, tokens


def _likeliest(stepped: Stepped, searches: Sequence[BeamSearch]) -> list[list[Candidate]]:
    """Of each row as many as its search wants, so that one that wants many does not make it slow for all."""
    rows: dict[tuple[int, str], list[int]] = {}
    begin = 0
    for search in searches:
        end = begin + search.num_rows
        rows.setdefault((search.num_candidates, search.parameters.avoid), []).extend(range(begin, end))
        begin = end
    scores = stepped.scores
    if len(rows) == 1:
        ((count, avoid),) = rows
        return scores.likeliest(min(count, scores.num_tokens), avoid=avoid)
    options: list[list[Candidate]] = [[]] * begin
    for (count, avoid), own in rows.items():
        found = scores.likeliest(min(count, scores.num_tokens), own, avoid)
        for row, candidates in zip(own, found, strict=True):
            options[row] = candidates
    return options


def _needed(stepped: Stepped, searches: Sequence[BeamSearch]) -> dict[int, list[Candidate]]:
    """The tokens that some rows need besides their likeliest, by row."""
    if not any(search.parameters.required for search in searches):
        return {}
    ids: dict[int, Sequence[int]] = {}
    begin = 0
    for search in searches:
        ids.update(enumerate(search.needed, start=begin))
        begin += search.num_rows
    rows = list(ids)
    return dict(zip(rows, stepped.scores.of(rows, list(ids.values())), strict=True))


def advance_samplers(stepped: Stepped, samplers: Sequence[Sampler]) -> tuple[list[int], list[int]]:
    """Write one more token of every sampled sequence; returns as `advance_beams` does."""
    parents, tokens = [], []
    most = max(sampler.parameters.num_logprobs or 0 for sampler in samplers)
    likeliest = stepped.scores.likeliest(min(most, stepped.scores.num_tokens)) if most else None
    for row, (sampler, (identifier, log_probability)) in enumerate(
        zip(samplers, stepped.scores.choose(samplers), strict=True)
    ):
        sampler.accept(identifier, log_probability, likeliest[row] if likeliest else ())
        if sampler.finish_reason is None:
            parents.append(row)
            tokens.append(identifier)
    return parents, tokens


@torch.inference_mode()
def decode_batch(
    executor: Executor,
    head: str,
    encoded: Encoded,
    first_ids: Sequence[int],
    parameters: BeamParameters,
    end_id: int,
    *,
    return_attention: bool = False,
) -> list[list[Hypothesis]]:
    """Beam search for every row of `encoded`, from start to end: the plain loop that the engine is held to.

    Args:
        first_ids: the decoder's first symbol, one a row.
    """
    attended = encoded.lengths.tolist() if return_attention else [0] * len(first_ids)
    searches = [begin_search(parameters, end_id, length) for length in attended]
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

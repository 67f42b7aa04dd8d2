"""Moves the searches of a lane one token on, and decodes whole batches with a plain loop."""

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from typing import cast

import torch
from torch import Tensor

from ..backbone import Encoded
from ..executor import Executor
from ..state import numbers_tensor
from ..training.sequences import padded
from .beam import BeamSearch
from .characters import ANY_CHARACTERS, Characters
from .constrained import ConstrainedSearch
from .greedy import GreedySearch
from .lanes import Lane, Stepped
from .parameters import BeamParameters, Hypothesis, SamplingParameters
from .phrases import WordPieces
from .prompts import PromptState
from .sampling import Candidate, Chosen, Sampler
from .scores import Scores, greediest, paired

Search = BeamSearch | GreedySearch
Likeliest = tuple[list[int], list[float]]
"""Tokens and their log-probabilities, best first."""

_Alike = dict[tuple[int, str], list[int]]
"""Rows by the number of candidates that they want and the name of what they avoid."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """What runs on after a step.

    Attributes:
        parents: (rows,), the row of the step that each row extends; None if each goes on in its place.
        ids: (rows,), their new tokens.
        ended: numbers of the searches that are done, in their order.
        written: (rows of the step,), if each has a search of its own: the tokens of all of them.
    """

    parents: Tensor | None
    ids: Tensor
    ended: Sequence[int]
    written: Tensor | None = None

    @staticmethod
    def single_rows(ids: Tensor, ended: Sequence[int]) -> "Advanced":
        """Of searches that have one row each, which the tokens `ids` (rows,) were chosen for."""
        if not ended:
            return Advanced(None, ids, ended, ids)
        left = list(range(len(ids)))
        for row in reversed(ended):
            del left[row]
        parents = numbers_tensor(left)
        return Advanced(parents, ids[parents], ended, ids)


def begin_search(
    parameters: BeamParameters,
    end_id: int,
    num_attended: int = 0,
    words: WordPieces | None = None,
    characters: Characters = ANY_CHARACTERS,
) -> Search:
    """The search that the parameters ask for; the others as `BeamSearch` and `ConstrainedSearch` explain them."""
    if GreedySearch.suits(parameters, num_attended):
        return GreedySearch(parameters, end_id, characters)
    if parameters.required:
        return ConstrainedSearch(parameters, end_id, num_attended, words, characters)
    return BeamSearch(parameters, end_id, num_attended, characters)


def advance_searches(stepped: Stepped, searches: Sequence[Search]) -> Advanced:
    """Extend every search with the step's scores.

    Args:
        stepped: of the lane whose rows are the rows of the searches, one search after another.
    """
    if all(isinstance(search, GreedySearch) for search in searches):
        return _advance_greedily(stepped, cast("Sequence[GreedySearch]", searches))
    return _advance_beams(stepped, searches)


def _advance_greedily(stepped: Stepped, searches: Sequence[GreedySearch]) -> Advanced:
    ids, log_probabilities = _greediest(stepped.scores, [search.avoid for search in searches])
    if any(search.blocks for search in searches):
        _choose_others(stepped.scores, searches, ids, log_probabilities)
    tokens = zip(searches, ids.tolist(), log_probabilities.tolist(), strict=True)
    ended = [row for row, (search, token, score) in enumerate(tokens) if search.write(token, score)]
    return Advanced.single_rows(ids, ended)


def _greediest(scores: Scores, avoided: Sequence[str]) -> Chosen:
    """The likeliest token of each row that is none of those that the row avoids."""
    names = set(avoided)
    if len(names) == 1:
        return greediest(scores, avoid=names.pop())
    ids, log_probabilities = torch.empty(len(avoided), dtype=torch.int64), torch.empty(len(avoided))
    for name in sorted(names):
        rows = [row for row, own in enumerate(avoided) if own == name]
        index = numbers_tensor(rows)
        ids[index], log_probabilities[index] = greediest(scores, rows, name)
    return ids, log_probabilities


def _choose_others(scores: Scores, searches: Sequence[GreedySearch], ids: Tensor, log_probabilities: Tensor) -> None:
    """Put the likeliest token that may come in the place of each that is blocked; the end, if there is none."""
    chosen = dict(enumerate(zip(ids[:, None].tolist(), log_probabilities[:, None].tolist(), strict=True)))
    for row, others in _instead_of_blocked(scores, searches, chosen).items():
        ids[row], log_probabilities[row] = next(iter(others), (searches[row].end_id, -math.inf))


def _advance_beams(stepped: Stepped, searches: Sequence[Search]) -> Advanced:
    options = _candidates(stepped.scores, searches)
    parents: list[int] = []
    tokens: list[int] = []
    begin = 0
    for search in searches:
        end = begin + search.num_rows
        if stepped.attention is not None and isinstance(search, BeamSearch) and search.observes:
            search.observe(stepped.attention[begin:end])
        search_parents, search_tokens = search.advance(options[begin:end])
        parents += [begin + parent for parent in search_parents]
        tokens += search_tokens
        begin = end
    ended = [number for number, search in enumerate(searches) if search.done]
    return Advanced(numbers_tensor(parents), numbers_tensor(tokens), ended)


def _candidates(scores: Scores, searches: Sequence[Search]) -> list[Iterable[Candidate]]:
    """Of each row as many of the likeliest as its search wants, so that one that wants many does not make it slow for
    all; then the tokens that it needs besides. They can be gone through once.
    """
    alike: _Alike = {}
    begin = 0
    for search in searches:
        count = search.num_candidates
        for row, avoid in enumerate(search.avoids, start=begin):
            alike.setdefault((count, avoid), []).append(row)
        begin += search.num_rows
    likeliest = _likeliest(scores, alike)
    # Of each row's pairs most are never looked at.
    options: list[Iterable[Candidate]] = [zip(*likeliest[row], strict=True) for row in range(begin)]
    for row, others in _instead_of_blocked(scores, searches, likeliest).items():
        options[row] = others
    for row, needed in _needed(scores, searches).items():
        options[row] = chain(options[row], needed)
    return options


def _likeliest(scores: Scores, alike: _Alike) -> dict[int, Likeliest]:
    """Of all rows, or a few, so many of the likeliest tokens of those that are not avoided."""
    found: dict[int, Likeliest] = {}
    for (count, avoid), rows in alike.items():
        is_whole = len(rows) == scores.num_rows
        ids, log_probabilities = scores.likeliest(min(count, scores.num_tokens), None if is_whole else rows, avoid)
        found.update(zip(rows, zip(ids.tolist(), log_probabilities.tolist(), strict=True), strict=True))
    return found


def _instead_of_blocked(
    scores: Scores, searches: Sequence[Search], likeliest: Mapping[int, Likeliest]
) -> dict[int, list[Candidate]]:
    """The candidates of those rows that have a blocked one among their likeliest: others, and no fewer if there are.

    That is rare, so that only these rows are gone through again.
    """
    blocked: dict[int, Set[int]] = {}
    again: _Alike = {}
    begin = 0
    for search in searches:
        for row, tokens in enumerate(search.blocked, start=begin):
            if tokens and not tokens.isdisjoint(likeliest[row][0]):
                blocked[row] = tokens
                again.setdefault((search.num_candidates + len(tokens), search.avoid), []).append(row)
        begin += search.num_rows
    return {
        row: [pair for pair in zip(*found, strict=True) if pair[0] not in blocked[row]]
        for row, found in _likeliest(scores, again).items()
    }


def _needed(scores: Scores, searches: Sequence[Search]) -> dict[int, list[Candidate]]:
    """The tokens that some rows need besides their likeliest, by row."""
    if not any(search.parameters.required for search in searches):
        return {}
    ids: dict[int, Sequence[int]] = {}
    begin = 0
    for search in searches:
        ids.update(enumerate(search.needed, start=begin))
        begin += search.num_rows
    rows = list(ids)
    return dict(zip(rows, scores.of(rows, list(ids.values())), strict=True))


def advance_samplers(stepped: Stepped, samplers: Sequence[Sampler]) -> Advanced:
    """Write one more token of every sampled sequence."""
    ids, log_probabilities = stepped.scores.choose(samplers)
    if telling := [row for row, sampler in enumerate(samplers) if sampler.scores is not None]:
        _keep_scores(stepped.scores, samplers, telling, (ids, log_probabilities))
    tokens = zip(samplers, ids.tolist(), strict=True)
    ended = [row for row, (sampler, token) in enumerate(tokens) if sampler.write(token)]
    return Advanced.single_rows(ids, ended)


def _keep_scores(scores: Scores, samplers: Sequence[Sampler], rows: Sequence[int], chosen: Chosen) -> None:
    """Of the rows that keep them, the scores of the tokens that were chosen and of the likeliest."""
    most = min(max(samplers[row].parameters.num_logprobs or 0 for row in rows), scores.num_tokens)
    likeliest = paired(*scores.likeliest(most, rows)) if most else [[]] * len(rows)
    for row, own in zip(rows, likeliest, strict=True):
        samplers[row].keep_score(int(chosen[0][row]), float(chosen[1][row]), own)


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
    characters: Characters = ANY_CHARACTERS,
) -> list[list[Hypothesis]]:
    """Beam search for every row of `encoded`, from start to end: the plain loop that the engine is held to.

    Args:
        first_ids: the decoder's first symbol, one a row.
        characters: which are written whole; the executor knows what they say is avoidable.
    """
    attended = encoded.lengths.tolist() if return_attention else [0] * len(first_ids)
    searches = [begin_search(parameters, end_id, length, characters=characters) for length in attended]
    state = executor.begin(head, encoded)
    ids = numbers_tensor(first_ids)
    running = searches
    while running:
        (stepped,) = executor.step([Lane(head, ids, state)])
        advanced = advance_searches(stepped, running)
        running = [search for search in running if not search.done]
        if running:
            ids = advanced.ids
            state = stepped.state if advanced.parents is None else stepped.state.select(advanced.parents)
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
        advanced = advance_samplers(stepped, [sampler])
        if advanced.ended:
            return sampler
        (stepped,) = executor.step([Lane(head, advanced.ids, stepped.state)])

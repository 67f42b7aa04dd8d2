"""Search and sampling against enumeration, distributions and the plain loop."""

import itertools
import math
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch

from rondo_models.decoding.beam import IMPOSSIBLE, BeamSearch, Running
from rondo_models.decoding.greedy import GreedySearch
from rondo_models.decoding.lanes import LaneState, Stepped
from rondo_models.decoding.parameters import BeamParameters, SamplingParameters
from rondo_models.decoding.prompts import nothing_read
from rondo_models.decoding.sampling import Sampler, choose
from rondo_models.decoding.scores import TableScores, paired
from rondo_models.decoding.search import advance_searches, begin_search, decode_batch, generate
from rondo_models.executor import TorchExecutor
from rondo_models.model import RondoModel
from rondo_models.state import RecurrentState
from rondo_models.training.sequences import padded

END = 3


def _candidates(table: dict[tuple[int, ...], dict[int, float]], written: tuple[int, ...]) -> list[tuple[int, float]]:
    options = {token: math.log(p) for token, p in table[written].items()}
    return sorted(options.items(), key=lambda option: -option[1])


def _table() -> dict[tuple[int, ...], dict[int, float]]:
    """Three steps of a language over 4, 5, 6 and the end, with fixed but uneven probabilities."""
    generator = torch.Generator().manual_seed(5)
    table = {}
    for length in range(3):
        for written in itertools.product((4, 5, 6), repeat=length):
            weights = torch.rand(4, generator=generator).tolist()
            total = sum(weights)
            table[written] = {token: w / total for token, w in zip((4, 5, 6, END), weights, strict=True)}
    return table


def _everything(
    table: dict[tuple[int, ...], dict[int, float]], parameters: BeamParameters
) -> dict[tuple[int, ...], float]:
    """Score of every possible target, by enumeration."""
    scores = {}
    for length in range(parameters.max_tokens + 1):
        for written in itertools.product((4, 5, 6), repeat=length):
            log_probability = sum(math.log(table[written[:i]][token]) for i, token in enumerate(written))
            total = length
            if length < parameters.max_tokens:
                log_probability += math.log(table[written][END])
                total += 1
            scores[written] = log_probability / ((5 + total) / 6) ** parameters.length_penalty
    return scores


def _search(table: dict[tuple[int, ...], dict[int, float]], parameters: BeamParameters) -> BeamSearch:
    search = BeamSearch(parameters, END)
    while not search.done:
        rows = [_candidates(table, hypothesis.ids)[: search.num_candidates] for hypothesis in search.running]
        search.advance(rows)
    return search


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0])
def test_a_wide_beam_finds_the_best_by_enumeration(penalty: float) -> None:
    table = _table()
    parameters = BeamParameters(beam_size=40, num_best=3, max_tokens=3, length_penalty=penalty)
    found = _search(table, parameters).best()
    expected = sorted(_everything(table, parameters).items(), key=lambda item: -item[1])[:3]
    assert [h.ids for h in found] == [ids for ids, _ in expected]
    assert [h.score for h in found] == pytest.approx([score for _, score in expected])


def test_a_beam_of_one_is_greedy() -> None:
    table = _table()
    written: tuple[int, ...] = ()
    while len(written) < 3 and (token := _candidates(table, written)[0][0]) != END:
        written = (*written, token)
    assert _search(table, BeamParameters(beam_size=1, max_tokens=3)).best()[0].ids == written


def test_longest_target_ends_with_reason_length() -> None:
    table = {w: {4: 0.9, END: 0.1} for n in range(4) for w in itertools.product((4,), repeat=n)}
    best = _search(table, BeamParameters(beam_size=1, max_tokens=3)).best()[0]
    assert best.ids == (4, 4, 4)
    assert best.finish_reason == "length"


@pytest.mark.parametrize("beams", [(1,), (1, 1, 1), (4,), (1, 4, 2)])
@pytest.mark.parametrize("ngram", [1, 2, 3])
def test_what_would_repeat_an_ngram_counts_as_impossible(ngram: int, beams: tuple[int, ...]) -> None:
    """As if each row's scores said so; in lanes of one search and of several."""
    parameters = [BeamParameters(beam, max_tokens=14, num_best=beam, no_repeat_ngram=ngram) for beam in beams]
    state = LaneState(RecurrentState((torch.zeros(1, 1, 1),)))
    generator = torch.Generator().manual_seed(ngram)
    tables = torch.randn(14, sum(beams), 7, generator=generator)
    tables[..., END] -= 2.0
    searches = [begin_search(own, END) for own in parameters]
    told = [BeamSearch(replace(own, no_repeat_ngram=0), END) for own in parameters]
    for table in tables.log_softmax(dim=-1):
        masked, first = [], 0
        for search, beam in zip(told, beams, strict=True):
            for row, hypothesis in enumerate(search.running, start=first):
                blocked = [token for token in range(7) if _repeats((*hypothesis.ids, token), ngram)]
                masked.append(table[row].index_fill(0, torch.tensor(blocked, dtype=torch.int64), -math.inf))
            first += beam
        running = [number for number, search in enumerate(searches) if not search.done]
        rows = [sum(beams[:number]) + row for number in running for row in range(searches[number].num_rows)]
        for all_scores, own in ((table[rows], searches), (torch.stack(masked), told)):
            advance_searches(Stepped(TableScores(all_scores), state), [own[number] for number in running])
        assert [search.done for search in searches] == [search.done for search in told]
        if all(search.done for search in searches):
            break
    assert [search.best() for search in searches] == [search.best() for search in told]
    assert not any(_repeats(best.ids[: n + 1], ngram) for own in searches for best in own.best() for n in range(14))


def _repeats(ids: tuple[int, ...], ngram: int) -> bool:
    """Whether the last n-gram has come before."""
    ngrams = [ids[start : start + ngram] for start in range(len(ids) - ngram + 1)]
    return bool(ngrams) and ngrams[-1] in ngrams[:-1]


@pytest.mark.parametrize("beam", [1, 3])
def test_where_only_repeats_are_possible_a_search_ends(beam: int) -> None:
    scores = torch.full((beam, 8), -math.inf)
    scores[:, 4] = -0.1
    search = begin_search(BeamParameters(beam, max_tokens=9, no_repeat_ngram=2), END)
    for _ in range(9):
        if not search.done:
            state = LaneState(RecurrentState((torch.zeros(1, beam, 1),)))
            advance_searches(Stepped(TableScores(scores[: search.num_rows]), state), [search])
    assert (search.done, search.best()) == (True, [])


def test_coverage_penalty_prefers_the_hypothesis_that_attended_to_all() -> None:
    """Two targets of equal probability; one leaves half of the source unread."""
    search = BeamSearch(BeamParameters(beam_size=2, max_tokens=5, coverage_penalty=1.0), END)
    search.observe(torch.tensor([[0.5, 0.5]]))
    search.advance([[(4, math.log(0.5)), (5, math.log(0.5))]])
    search.observe(torch.tensor([[0.5, 0.5], [1.0, 0.01]]))
    search.advance([[(END, 0.0)], [(END, 0.0)]])
    best = search.best()[0]
    assert best.ids == (4,)
    assert best.score > min(h.score for h in search.finished)


def test_searches_of_one_step_do_not_touch_each_other() -> None:
    searches = [BeamSearch(BeamParameters(beam_size=size, max_tokens=2), END) for size in (1, 3)]
    scores = torch.log_softmax(torch.randn(2, 9, generator=torch.Generator().manual_seed(1)), dim=-1)
    state = LaneState(RecurrentState((torch.zeros(1, 2, 1),)))
    alone = [BeamSearch(search.parameters, END) for search in searches]
    advanced = advance_searches(Stepped(TableScores(scores), state), searches)
    for row, search in enumerate(alone):
        advance_searches(Stepped(TableScores(scores[row : row + 1]), state), [search])
    assert [s.running for s in searches] == [s.running for s in alone]
    assert advanced.parents is not None
    assert len(advanced.parents) == len(advanced.ids) == sum(search.num_rows for search in searches)
    assert set(advanced.parents.tolist()) <= {0, 1}


def test_what_a_search_avoids_counts_as_forbidden_for_its_rows_alone() -> None:
    scores = torch.log_softmax(torch.randn(3, 9, generator=torch.Generator().manual_seed(2)), dim=-1)
    avoidable = {"even": torch.tensor([0, 2, 4, 6, 8]), "high": torch.tensor([6, 7, 8])}
    table = TableScores(scores, avoidable)
    found = [paired(*table.likeliest(9, [row], name))[0] for row, name in enumerate(["even", "", "high"])]
    plain = paired(*TableScores(scores).likeliest(9))
    for own, all_there, closed in zip(found, plain, ([0, 2, 4, 6, 8], [], [6, 7, 8]), strict=True):
        possible = [candidate for candidate in all_there if candidate[0] not in closed]
        assert own[: len(possible)] == possible
        assert all(score == -math.inf for _, score in own[len(possible) :])


def test_a_search_never_writes_what_it_avoids_unless_that_is_required() -> None:
    scores = torch.full((2, 8), -5.0)
    scores[:, 4], scores[:, 5], scores[:, END] = -0.1, -0.2, -3.0
    avoiding = BeamParameters(1, max_tokens=3, avoid="four")
    searches = [begin_search(own, END) for own in (avoiding, BeamParameters(1, max_tokens=3))]
    state = LaneState(RecurrentState((torch.zeros(1, 2, 1),)))
    while not all(search.done for search in searches):
        advance_searches(Stepped(TableScores(scores, {"four": torch.tensor([4])}), state), searches)
    assert [search.best()[0].ids for search in searches] == [(5, 5, 5), (4, 4, 4)]
    required = begin_search(replace(avoiding, required=(((4,),),)), END)
    while not required.done:
        some = TableScores(scores[:1].expand(required.num_rows, 8), {"four": torch.tensor([4])})
        advance_searches(Stepped(some, state), [required])
    assert required.best()[0].ids.count(4) == 1


def _draws(parameters: SamplingParameters, scores: torch.Tensor, count: int) -> Counter[int]:
    sampler = Sampler(parameters, [], END)
    return Counter(int(choose(scores[None], [sampler])[0]) for _ in range(count))


def test_sampling_follows_the_distribution() -> None:
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05])
    counts = _draws(SamplingParameters(seed=1), probabilities.log(), 4000)
    for token, probability in enumerate(probabilities.tolist()):
        assert counts[token] / 4000 == pytest.approx(probability, abs=0.03)


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [({"top_k": 2}, {0, 1}), ({"top_p": 0.7}, {0, 1}), ({"min_p": 0.25}, {0, 1, 2}), ({"temperature": 0.0}, {0})],
)
def test_filters_leave_only_the_likely(changes: dict[str, float], allowed: set[int]) -> None:
    scores = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    counts = _draws(SamplingParameters(seed=1, **changes), scores, 800)  # type: ignore[arg-type]
    assert set(counts) == allowed


def test_a_row_draws_the_same_alone_and_among_others() -> None:
    scores = torch.log_softmax(torch.randn(3, 50, generator=torch.Generator().manual_seed(2)), dim=-1)
    parameters = [SamplingParameters(seed=7, top_k=5), SamplingParameters(seed=8), SamplingParameters(temperature=0)]
    together = [Sampler(p, [], END) for p in parameters]
    alone = [Sampler(p, [], END) for p in parameters]
    for _ in range(20):
        ids, _ = choose(scores, together)
        assert ids.tolist() == [int(choose(scores[i : i + 1], [alone[i]])[0]) for i in range(3)]


def test_penalties_make_seen_tokens_less_likely() -> None:
    scores = torch.tensor([-1.0, -1.1, -4.0])
    repeated = Sampler(SamplingParameters(temperature=0, repetition_penalty=2.0), [0], END)
    assert choose(scores[None], [repeated])[0].tolist() == [1]
    frequent = Sampler(SamplingParameters(temperature=0, frequency_penalty=0.2), [], END)
    frequent.write(0)
    tokens, log_probabilities = choose(scores[None], [frequent])
    assert tokens.tolist() == [1]
    assert log_probabilities.tolist() == pytest.approx([-1.1])
    assert scores.tolist() == pytest.approx([-1.0, -1.1, -4.0])


@pytest.mark.parametrize("changes", [{"temperature": -1}, {"top_p": 0}, {"min_p": 2}, {"max_tokens": 0}, {"top_k": -1}])
def test_impossible_sampling_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        SamplingParameters(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("head", ["translation", "summarization"])
@pytest.mark.parametrize("beam", [1, 4])
def test_a_source_is_decoded_alike_alone_and_in_a_mixed_batch(any_model: RondoModel, head: str, beam: int) -> None:
    sources = [[4, 5, 6, 3], [7, 3], [8, 9, 10, 11, 12, 13, 3], [3]]
    parameters = BeamParameters(beam_size=beam, num_best=beam, max_tokens=8)
    executor = TorchExecutor(any_model, [0, 1, 2])

    def decode(batch: list[list[int]]) -> list[list[tuple[int, ...]]]:
        encoded = any_model.backbone.encode(*padded(batch, 0))
        results = decode_batch(executor, head, encoded, [2] * len(batch), parameters, END)
        return [[h.ids for h in hypotheses] for hypotheses in results]

    together = decode(sources)
    assert together == [decode([source])[0] for source in sources]
    assert all(0 not in ids and 1 not in ids and 2 not in ids for best in together for ids in best)


def test_generation_with_a_seed_is_repeatable(model: RondoModel) -> None:
    executor, before = TorchExecutor(model, [0, 1, 2]), nothing_read(model, "generation", 1)
    runs = [
        generate(executor, "generation", [2, 4, 5], before, SamplingParameters(max_tokens=12, seed=s), END).ids
        for s in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]


def test_coverage_penalty_survives_a_batch_that_changes_its_width() -> None:
    """Once the sums of attention had the width of the batch, which shrinks when a longer source is done."""
    search = BeamSearch(BeamParameters(beam_size=1, max_tokens=5, coverage_penalty=1.0), END)
    for weights in ([[0.6, 0.4, 0.0, 0.0]], [[0.1, 0.9]], [[0.5, 0.5, 0.0]]):
        search.observe(torch.tensor(weights))
    search.advance([[(END, 0.0), (4, -1.0)]])
    assert search.best()[0].score == pytest.approx(0.0)


@pytest.mark.parametrize("head", ["translation", "summarization"])
@pytest.mark.parametrize(
    "parameters", [BeamParameters(1, max_tokens=7), BeamParameters(4, 4, 7, required=(((8, 9),),))]
)
@torch.inference_mode()
def test_attention_is_that_with_which_the_ids_were_written(
    any_model: RondoModel, head: str, parameters: BeamParameters
) -> None:
    """As read off when the model is shown what was written, through whatever rows the search wrote it in."""
    model = any_model
    sources = [[4, 5, 6, 3], [7, 3], [8, 9, 10, 11, 12, 13, 3]]
    encoded = model.backbone.encode(*padded(sources, 0))
    executor = TorchExecutor(model, [0, 1, 2])
    results = decode_batch(executor, head, encoded, [2] * 3, parameters, END, return_attention=True)
    seq2seq = model.seq2seq(head)
    for source, hypotheses in zip(sources, results, strict=True):
        memory = seq2seq.read(model.backbone.encode(*padded([source], 0)))
        for hypothesis in hypotheses:
            read = torch.tensor([[2, *hypothesis.ids]])
            decoded, _ = seq2seq.decode(model.backbone.advance(read)[0], memory, seq2seq.initial_state(memory))
            num_rows = len(hypothesis.ids) + (hypothesis.finish_reason == "stop")
            torch.testing.assert_close(torch.tensor(hypothesis.attention), decoded.alignment[0, :num_rows])


def test_attention_is_not_kept_unasked(model: RondoModel) -> None:
    encoded = model.backbone.encode(*padded([[4, 5, 3]], 0))
    (found,) = decode_batch(TorchExecutor(model, [0, 1, 2]), "translation", encoded, [2], BeamParameters(2), END)
    assert found[0].attention is None


def _looping(beam: int, ngram: tuple[int, ...], most: int, **changes: Any) -> BeamSearch:
    """A model that begins with 9 and then says the n-gram again and again; the end never costs more than much."""
    search = begin_search(BeamParameters(beam, max_tokens=90, max_repeats=most, **changes), END, 2)
    assert isinstance(search, BeamSearch)
    while not search.done:
        rows = []
        for row, hypothesis in enumerate(search.running):
            token = ngram[(hypothesis.length - 1) % len(ngram)] if hypothesis.length else 9
            own = [(token, -0.01), (END, -9.0), *((other, -10.0) for other in range(4, 9) if other != token)]
            needed = [option for option in own if search.needed and option[0] in search.needed[row]]
            rows.append([*own[: search.num_candidates], *needed])
        search.observe(torch.rand(search.num_rows, 2))
        search.advance(rows)
    return search


@pytest.mark.parametrize(("ngram", "copies"), [((4,), 16), ((4, 5), 8), ((4, 5, 6, 7), 4), ((4, 5, 6, 7, 8), 4)])
def test_a_hypothesis_that_repeats_itself_is_cut_back_to_one_copy(ngram: tuple[int, ...], copies: int) -> None:
    best = _looping(1, ngram, 3).best()[0]
    assert best.ids == (9, *ngram)
    assert best.finish_reason == "loop"
    assert best.log_probability == pytest.approx(-0.01 * len(best.ids))
    assert best.attention is not None
    assert len(best.attention) == len(best.ids)
    once_more = _looping(1, ngram, copies).best()[0]
    assert once_more.ids == (9, *ngram)
    assert _looping(1, ngram, 0).best()[0].finish_reason == "length"


def test_a_hypothesis_that_repeats_itself_ranks_behind_all_others() -> None:
    search = _looping(3, (4, 5), 3)
    assert "loop" in {hypothesis.finish_reason for hypothesis in search.finished}
    best = search.best()[0]
    assert best.finish_reason == "stop"
    assert best.score < max(h.score for h in search.finished if h.finish_reason == "loop")


def test_hypotheses_that_repeat_themselves_do_not_end_the_search() -> None:
    """Once they would have filled the beam, and what ended properly after them would never have been written."""
    search = BeamSearch(BeamParameters(2, max_tokens=90, max_repeats=1), END)
    search.advance([[(4, -0.01), (5, -0.02)]])
    for _ in range(14):
        search.advance([[(4, -0.01), (6, -9.0)], [(5, -0.01), (6, -9.0)]])
    assert [node.ids for node in search.running] == [(4,) * 15, (5,) * 15]
    search.advance([[(4, -0.01), (6, -7.0)], [(5, -0.01), (6, -8.0)]])
    assert {(h.ids, h.finish_reason) for h in search.finished} == {((4,), "loop"), ((5,), "loop")}
    assert not search.done
    search.advance([[(END, -1.0)], [(END, -1.0)]])
    assert search.best()[0].ids == ((4,) * 15 + (6,))


def test_a_loop_does_not_end_a_target_that_lacks_a_phrase() -> None:
    search = _looping(1, (4, 5), 3, required=(((7, 8),),))
    assert search.finished
    for hypothesis in search.finished:
        assert (7, 8) in itertools.pairwise(hypothesis.ids)


def _texts(count: int, longest: int) -> list[list[tuple[int, float]]]:
    """Likeliest tokens, step by step, of texts that often repeat themselves, now and then end, and may break off."""
    rng = random.Random(11)
    texts = []
    for _ in range(count):
        ngram = [rng.randrange(4, 9) for _ in range(rng.randrange(1, 10))]
        noise, ends = rng.choice([0.0, 0.02, 0.5]), rng.choice([0.0, 0.03])
        tokens = [rng.randrange(4, 9) if rng.random() < noise else ngram[i % len(ngram)] for i in range(longest)]
        text = [(END if rng.random() < ends else token, -rng.random()) for token in tokens]
        if rng.random() < 0.1:
            text[rng.randrange(longest)] = (5, rng.choice([-math.inf, math.nan, IMPOSSIBLE]))
        texts.append(text)
    return texts


@pytest.mark.parametrize("max_repeats", [0, 1, 3])
def test_a_greedy_search_finds_what_a_beam_of_one_finds(max_repeats: int) -> None:
    parameters = BeamParameters(1, max_tokens=60, length_penalty=0.7, max_repeats=max_repeats)
    reasons = set()
    for text in _texts(300, 61):
        beam, greedy = BeamSearch(parameters, END), begin_search(parameters, END)
        assert isinstance(greedy, GreedySearch)
        for candidate in text:
            assert greedy.advance([[candidate]]) == beam.advance([[candidate]])
            assert greedy.done == beam.done
            if greedy.done:
                break
        assert greedy.best() == beam.best()
        reasons |= {hypothesis.finish_reason for hypothesis in greedy.best()} or {"no possible token"}
    assert reasons == {"stop", "length", "no possible token"} | ({"loop"} if max_repeats else set())


@pytest.mark.parametrize("changes", [{"beam_size": 2}, {"coverage_penalty": 0.1}, {"required": (((4,),),)}])
def test_what_needs_more_than_the_likeliest_token_is_no_greedy_search(changes: dict[str, Any]) -> None:
    assert not isinstance(begin_search(BeamParameters(**{"beam_size": 1, **changes}), END), GreedySearch)
    assert not isinstance(begin_search(BeamParameters(1), END, num_attended=3), GreedySearch)


@pytest.mark.parametrize("others", [[], [BeamParameters(3, max_tokens=9)]])
def test_greedy_searches_are_advanced_alike_alone_and_beside_others(others: list[BeamParameters]) -> None:
    """Also where some avoid tokens that others may write, and where some end before others."""
    parameters = [BeamParameters(1, max_tokens=3 + n % 4, avoid=["", "low", "high"][n % 3]) for n in range(8)]
    avoidable = {"low": torch.tensor([4, 5]), "high": torch.tensor([6, 7, 8])}
    generator = torch.Generator().manual_seed(9)
    tables = torch.randn(9, 3, 9, generator=generator).log_softmax(dim=-1)  # (steps, searches of a kind, vocabulary)
    searches = [begin_search(own, END) for own in (*parameters, *others)]
    alone = [begin_search(own, END) for own in parameters]
    running = list(searches)
    state = LaneState(RecurrentState((torch.zeros(1, 8, 1),)))
    for table in tables:
        numbers = [searches.index(search) % 3 for search in running for _ in range(search.num_rows)]
        advanced = advance_searches(Stepped(TableScores(table[numbers], avoidable), state), running)
        parents = list(range(len(numbers))) if advanced.parents is None else advanced.parents.tolist()
        assert len(parents) == len(advanced.ids) == sum(search.num_rows for search in searches if not search.done)
        assert [number for number, search in enumerate(running) if search.done] == advanced.ended
        for number, search in enumerate(alone):
            if not search.done:
                own = Stepped(TableScores(table[number % 3 : number % 3 + 1], avoidable), state)
                assert bool(advance_searches(own, [search]).ended) == search.done
        running = [search for search in running if not search.done]
    assert not running
    assert [search.best() for search in searches[: len(alone)]] == [search.best() for search in alone]


def test_a_beam_takes_the_best_of_all_its_candidates_in_the_order_of_its_rows() -> None:
    """Though it looks at no more of a row than may be taken: against sorting them all, with equal ones among them."""
    rng = random.Random(5)
    for _ in range(300):
        size, rows = rng.choice([2, 5]), 5
        search = BeamSearch(BeamParameters(size, max_tokens=9), END)
        search.running = [Running(9, -rng.randrange(4) / 2, 1, 0, search.running[0]) for _ in range(min(size, rows))]
        before = [node.log_probability for node in search.running]
        candidates = [
            [(token, score) for token, score in enumerate(sorted(-rng.randrange(6) / 2 for _ in range(2 * size)), 10)]
            for _ in before
        ]
        candidates = [list(reversed(row)) for row in candidates]
        candidates[0][rng.randrange(1, 2 * size) :] = [(8, -math.inf)] * rng.randrange(2)
        every = [
            (before[row] + score, row, token)
            for row, options in enumerate(candidates)
            for token, score in options
            if score > -math.inf
        ]
        expected = sorted(every, key=lambda option: -option[0])[:size]
        assert search.advance(candidates) == ([row for _, row, _ in expected], [token for _, _, token in expected])

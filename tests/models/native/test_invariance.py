"""Whatever is read and written together, in whatever order and parts: every bit of an answer stays the same."""

from collections.abc import Iterator, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rondo_models.backbone import BackboneConfig, Direction
from rondo_models.config import Precision
from rondo_models.decoding.lanes import Lane
from rondo_models.decoding.parameters import BeamParameters, SamplingParameters
from rondo_models.decoding.prompts import PromptState, nothing_read
from rondo_models.decoding.sampling import Candidate, Sampler
from rondo_models.decoding.scores import paired
from rondo_models.decoding.search import decode_batch
from rondo_models.executor import TorchExecutor
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_models.model import HeadConfig, RondoModel
from rondo_models.native.executor import NativeExecutor
from rondo_models.native.library import Kernels
from rondo_models.training.sequences import padded

END, FORBIDDEN, VOCABULARY = 3, (0, 1, 2), 90
HEADS: dict[str, HeadConfig] = {
    "sentiment": ClassifierConfig(labels=("no", "yes"), hidden_size=8, ngram_buckets=64),
    "running_sentiment": ClassifierConfig(labels=("a", "b", "c"), hidden_size=8, poolings=("mean",), reads="forward"),
    "generation": LanguageModelConfig(top_layer=True),
    "translation": Seq2SeqConfig(hidden_size=20, attend_twice=True),
    "summarization": Seq2SeqConfig(hidden_size=12, copy=True),
}
SHAPES = {"tiny": (12, 18), "as delivered": (256, 384)}
Text = list[int]
TEXTS = st.lists(
    st.one_of(
        st.lists(st.integers(4, VOCABULARY - 1), min_size=1, max_size=12),
        st.builds(lambda ids, times: ids * times, st.lists(st.integers(4, 12), min_size=1, max_size=9), st.just(9)),
    ),
    min_size=1,
    max_size=45,
)
"""Few and many, so that the kernels multiply them in one way and in the other; some much longer than others."""
some = settings(max_examples=12, deadline=None)
fewer = settings(max_examples=6, deadline=None)


def _model(embedding_size: int, hidden_size: int, *, in_bfloat16: bool) -> RondoModel:
    torch.manual_seed(0)
    size = BackboneConfig(VOCABULARY, "lstm", embedding_size=embedding_size, hidden_size=hidden_size)
    model = RondoModel(size, HEADS).eval().requires_grad_(False)
    ngrams = model.classifier("sentiment").ngrams
    assert ngrams is not None
    torch.nn.init.normal_(ngrams.weight)
    if in_bfloat16:  # then the kernels need only one part of the weights
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16())
    return model


@pytest.fixture(scope="module", autouse=True)
def _for_inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(
    scope="module",
    params=[
        ("tiny", "mixed", False),
        ("tiny", "mixed", True),
        ("tiny", "bfloat16", False),
        ("as delivered", "mixed", True),
        ("as delivered", "bfloat16", True),
    ],
    ids=lambda param: f"{param[0]}, {param[1]}, {'bfloat16' if param[2] else 'float32'} weights",
)
def model_and_executor(request: pytest.FixtureRequest, kernels: Kernels) -> tuple[RondoModel, NativeExecutor]:
    shape: str
    precision: Precision
    shape, precision, in_bfloat16 = request.param
    if kernels.numbers == "int16":
        precision = "int16"
    model = _model(*SHAPES[shape], in_bfloat16=in_bfloat16)
    return model, NativeExecutor(model, kernels, FORBIDDEN, precision)


@pytest.fixture(scope="module")
def model(model_and_executor: tuple[RondoModel, NativeExecutor]) -> RondoModel:
    return model_and_executor[0]


@pytest.fixture(scope="module")
def executor(model_and_executor: tuple[RondoModel, NativeExecutor]) -> NativeExecutor:
    return model_and_executor[1]


def test_who_says_so(model: RondoModel, executor: NativeExecutor, kernels: Kernels, precision: Precision) -> None:
    assert executor.is_batch_invariant
    assert not TorchExecutor(model, FORBIDDEN).is_batch_invariant
    other: dict[str, HeadConfig] = {**HEADS, "other": Seq2SeqConfig(hidden_size=12, attention="additive")}
    with_other = RondoModel(BackboneConfig(30, "lstm", embedding_size=12, hidden_size=16), other).eval()
    assert not NativeExecutor(with_other.requires_grad_(False), kernels, FORBIDDEN, precision).is_batch_invariant


@pytest.mark.parametrize("head", ["sentiment", "running_sentiment"])
@given(texts=TEXTS)
@some
def test_reading_and_classifying(executor: NativeExecutor, head: str, texts: list[Text]) -> None:
    together = executor.encode(*padded(texts, 0), rough=True)
    answers = executor.classify(head, together)
    for row, text in enumerate(texts):
        alone = executor.encode(*padded([text], 0), rough=True)
        assert torch.equal(together.outputs[row, : len(text)], alone.outputs[0])
        assert torch.equal(answers[row], executor.classify(head, alone)[0])


@pytest.mark.parametrize("direction", ["forward", "backward"])
@given(texts=TEXTS, chunk=st.integers(1, 20))
@some
def test_long_texts_in_parts(
    model: RondoModel, executor: NativeExecutor, direction: Direction, texts: list[Text], chunk: int
) -> None:
    longest = max(map(len, texts))
    texts = [text for text in texts if len(text) == longest]  # those whose state after a part means something
    ids, lengths = padded(texts, 0)
    state = model.backbone.forward_stack.initial_state(len(texts))
    whole, after = executor.read_part(direction, ids, lengths, state, rough=False)
    parts = []
    for part in torch.split(ids, chunk, dim=1):
        length = torch.full((len(texts),), part.shape[1])
        outputs, state = executor.read_part(direction, part, length, state, rough=False)
        parts.append(outputs)
    assert torch.equal(torch.cat(parts, dim=1), whole)
    assert all(map(torch.equal, state.tensors, after.tensors))


def _assert_equal(one: PromptState, other: PromptState) -> None:
    assert one.to_bytes() == other.to_bytes()
    assert torch.equal(one.hidden, other.hidden)


def _read(executor: NativeExecutor, prompts: Sequence[Text], before: PromptState) -> PromptState:
    return executor.read_prompts("generation", *padded(prompts, 0), before)


@given(prompts=TEXTS, share=st.floats(0, 1))
@some
def test_prompts_of_which_a_part_was_known(
    model: RondoModel, executor: NativeExecutor, prompts: list[Text], share: float
) -> None:
    together = _read(executor, prompts, nothing_read(model, "generation", len(prompts)))
    for row, prompt in enumerate(prompts):
        state = nothing_read(model, "generation", 1)
        known = int(share * (len(prompt) - 1))
        for part in (prompt[:known], prompt[known:]):
            state = _read(executor, [part], state) if part else state
        _assert_equal(state, together.select(torch.tensor([row])))


@given(prompt=st.lists(st.integers(4, VOCABULARY - 1), min_size=2, max_size=40), data=st.data())
@some
def test_what_was_written_is_as_if_it_had_been_read(
    model: RondoModel, executor: NativeExecutor, prompt: Text, data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, len(prompt) - 1))
    stepped = executor.first_step("generation", _read(executor, [prompt[:first]], nothing_read(model, "generation", 1)))
    for identifier in prompt[first:]:
        (stepped,) = executor.step([Lane("generation", torch.tensor([identifier]), stepped.state)])
    read = _read(executor, [prompt], nothing_read(model, "generation", 1))
    assert torch.equal(stepped.scores.table([0]), executor.first_step("generation", read).scores.table([0]))


_SAMPLING = [
    {"temperature": 0},
    {},
    {"top_p": 0.7},
    {"top_k": 9, "min_p": 0.1},
    {"temperature": 0, "repetition_penalty": 1.3},
    {"top_k": 20, "frequency_penalty": 0.5},
    {"top_p": 0.6, "presence_penalty": 0.5, "temperature": 0.7},
    {"logit_bias": ((5, 2.0), (8, -100.0))},
]


def _chosen(executor: NativeExecutor, hidden: Tensor, kinds: Sequence[int]) -> list[Candidate]:
    samplers = [Sampler(SamplingParameters(seed=4, num_logprobs=0, **_SAMPLING[kind]), [7, 8], END) for kind in kinds]  # type: ignore[arg-type]
    ids, log_probabilities = executor.scores("generation", hidden).choose(samplers)
    return list(zip(ids.tolist(), log_probabilities.tolist(), strict=True))


@given(kinds=st.lists(st.integers(0, len(_SAMPLING) - 1), min_size=1, max_size=80), seed=st.integers(0, 99))
@some
def test_choosing_among_rows_that_choose_otherwise(
    model: RondoModel, executor: NativeExecutor, kernels: Kernels, kinds: list[int], seed: int
) -> None:
    torch.manual_seed(seed)
    hidden = torch.randn(len(kinds), model.backbone.config.hidden_size)
    together = _chosen(executor, hidden, kinds)
    scores = executor.scores("generation", hidden)
    tables, likeliest = scores.table(range(len(kinds))), paired(*scores.likeliest(9))
    assert scores.likeliest_ids().tolist() == [own[0][0] for own in likeliest]
    given_ids = scores.of(range(len(kinds)), [[5, 6]] * len(kinds))
    for row, kind in enumerate(kinds):
        own = hidden[row : row + 1]
        alone = executor.scores("generation", own)
        assert _chosen(executor, own, [kind]) == [together[row]]
        assert torch.equal(alone.table([0])[0], tables[row])
        assert paired(*alone.likeliest(3))[0] == likeliest[row][:3]
        assert alone.likeliest_ids([0]).tolist() == [likeliest[row][0][0]]
        assert alone.of([0], [[5, 6]]) == [given_ids[row]]
        expected = [float(tables[row, token]) for token, _ in likeliest[row]]
        rough = 1e-2 if kernels.can_screen else 0.0  # in the sum of exponentials
        assert [score for _, score in likeliest[row]] == pytest.approx(expected, abs=rough, rel=0)


@pytest.mark.parametrize("head", ["translation", "summarization"])
@pytest.mark.parametrize(
    "parameters",
    [
        BeamParameters(1, max_tokens=9),
        BeamParameters(3, max_tokens=9, num_best=3, no_repeat_ngram=2, coverage_penalty=0.2),
        BeamParameters(2, max_tokens=9, required=(((20, 21),), ((22,), (20, 23, 24)))),
    ],
    ids=["greedy", "beam", "required"],
)
@given(texts=TEXTS)
@fewer
def test_searches(executor: NativeExecutor, head: str, parameters: BeamParameters, texts: list[Text]) -> None:
    def found(sources: Sequence[Text]) -> object:
        encoded = executor.encode(*padded(sources, 0), rough=False)
        return decode_batch(executor, head, encoded, [2] * len(sources), parameters, END, return_attention=True)

    together = found(texts)
    assert isinstance(together, list)
    for text, hypotheses in zip(texts, together, strict=True):
        assert found([text]) == [hypotheses]

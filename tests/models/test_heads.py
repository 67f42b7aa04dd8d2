"""Heads: masks hold, fast paths equal the slow ones, the copy mechanism is a distribution."""

import dataclasses

import pytest
import torch

from rondo_models.attention import Attention
from rondo_models.backbone import Backbone, BackboneConfig
from rondo_models.config import ConfigError
from rondo_models.heads.classifier import ClassifierConfig, ClassifierHead, Pooling, hashed_ngrams, ngram_shares
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.heads.seq2seq import Seq2SeqConfig, Seq2SeqHead
from rondo_models.model import RondoModel, head_config
from rondo_models.training.sequences import padded


@pytest.fixture
def backbone() -> Backbone:
    torch.manual_seed(0)
    return Backbone(BackboneConfig(20, "gru", embedding_size=12, hidden_size=16)).eval()


@pytest.mark.parametrize("poolings", [("attention",), ("max",), ("mean",), ("attention", "max", "mean")])
def test_classification_ignores_padding(backbone: Backbone, poolings: tuple[Pooling, ...]) -> None:
    head = ClassifierHead(backbone, ClassifierConfig(("a", "b", "c"), poolings, 8, ngram_buckets=32)).eval()
    assert head.ngrams is not None
    torch.nn.init.normal_(head.ngrams.weight)
    with torch.inference_mode():
        together = head(backbone.encode(*padded([[4, 5], [6, 7, 8, 9, 10]], 0)))
        alone = head(backbone.encode(*padded([[4, 5]], 0)))
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-5)


def test_hashed_ngrams_are_those_of_the_text() -> None:
    ids, lengths = padded([[4, 5, 4, 5], [7]], 0)
    buckets, mask = hashed_ngrams(ids, lengths, 3, 1_000_003)
    assert mask.sum(dim=1).tolist() == [4 + 3 + 2, 1]
    unigrams, bigrams = buckets[0, :4].tolist(), buckets[0, 4:8].tolist()
    assert unigrams[0] == unigrams[2] != unigrams[1]
    assert bigrams[0] == bigrams[2] != bigrams[1]
    again, _ = hashed_ngrams(*padded([[9, 4, 5]], 0), 3, 1_000_003)
    assert int(again[0, 4]) == bigrams[0]


def test_what_a_text_repeats_counts_once(backbone: Backbone) -> None:
    config = ClassifierConfig(("a", "b"), ngram_buckets=1_000_003, longest_ngram=2, each_ngram_once=True)
    head = ClassifierHead(backbone, config)
    assert head.ngrams is not None
    torch.nn.init.normal_(head.ngrams.weight)
    ids, lengths = padded([[4, 5, 4, 5, 4], [4, 5, 4], [7]], 0)
    sums, numbers = head.ngram_sums(ids, lengths)
    torch.testing.assert_close(sums[0], sums[1])  # 4, 5, 4 5 and 5 4
    assert numbers.tolist() == [[9], [5], [1]]
    buckets, mask = hashed_ngrams(ids, lengths, 2, config.ngram_buckets)
    for row, weights in enumerate(sums):
        once = torch.tensor(sorted(set(buckets[row][mask[row]].tolist())))
        torch.testing.assert_close(weights, head.ngrams.weight[once].sum(dim=0))
    shares = ngram_shares(buckets, mask, config)
    assert shares[0, :5].tolist() == pytest.approx([1 / 3, 1 / 2, 1 / 3, 1 / 2, 1 / 3])
    assert not shares[~mask].any()


def test_what_counts_once_is_not_for_growing_text() -> None:
    with pytest.raises(ValueError, match="each_ngram_once is not for a head that reads forward"):
        ClassifierConfig(("a", "b"), reads="forward", each_ngram_once=True)


@pytest.mark.parametrize("score", ["dot", "additive"])
@pytest.mark.parametrize("coverage", [False, True])
def test_attention_gives_masked_positions_nothing(score: str, coverage: bool) -> None:
    torch.manual_seed(0)
    attention = Attention(score, 6, 8, coverage=coverage)  # type: ignore[arg-type]
    memory, mask = torch.randn(2, 5, 8), torch.tensor([[True] * 5, [True, True, False, False, False]])
    spent = torch.rand(2, 5) if coverage else None
    contexts, weights = attention(torch.randn(2, 1, 6), attention.keys(memory), memory, mask, spent)
    assert contexts.shape == (2, 1, 8)
    assert not weights[1, :, 2:].any()
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 1))


@pytest.mark.parametrize("score", ["dot", "additive"])
@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize(("feeding", "coverage", "copy"), [(False,) * 3, (True, False, False), (True,) * 3])
def test_decoding_step_by_step_equals_teacher_forcing(
    backbone: Backbone, score: str, feeding: bool, coverage: bool, copy: bool, twice: bool
) -> None:
    config = Seq2SeqConfig(10, score, twice, feeding, coverage, copy=copy)  # type: ignore[arg-type]
    head = Seq2SeqHead(backbone, config).eval()
    targets = torch.tensor([[2, 4, 5, 6], [2, 7, 8, 9]])
    with torch.inference_mode():
        memory = head.read(backbone.encode(*padded([[4, 5, 6], [7, 8, 9, 10, 11]], 0)))
        lower, _ = backbone.advance(targets)
        whole, _ = head.decode(lower, memory, head.initial_state(memory))
        state, lower_state = head.initial_state(memory), backbone.forward_stack.initial_state(2)
        for position in range(4):
            one, lower_state = backbone.advance_one(targets[:, position], lower_state)
            step, state = head.decode(one[:, None], memory, state)
            torch.testing.assert_close(step.features[:, 0], whole.features[:, position], atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(step.attention[:, 0], whole.attention[:, position], atol=1e-5, rtol=1e-5)
        total = head.log_probabilities(backbone, step, memory).exp().sum(dim=-1)
    torch.testing.assert_close(total, torch.ones(2), atol=1e-4, rtol=1e-4)


def test_heads_with_other_noise_have_the_same_weights() -> None:
    shape = Seq2SeqConfig(10, attend_twice=True)
    assert dataclasses.replace(shape, dropout=0.5, label_smoothing=0.0).has_weights_of(shape)
    assert not dataclasses.replace(shape, hidden_size=11).has_weights_of(shape)
    text = LanguageModelConfig(top_layer=True)
    assert dataclasses.replace(text, dropout=0.5).has_weights_of(text)
    assert not dataclasses.replace(text, top_layer=False).has_weights_of(text)


@pytest.mark.parametrize("buckets", [0, 8])
def test_a_classifier_with_more_buckets_starts_as_the_same_function(backbone: Backbone, buckets: int) -> None:
    small = ClassifierConfig(("a", "b"), hidden_size=4, ngram_buckets=buckets)
    large = dataclasses.replace(small, ngram_buckets=24, dropout=0.1, label_smoothing=0.1)
    assert large.can_start_from(small)
    given, head = ClassifierHead(backbone, small).eval(), ClassifierHead(backbone, large).eval()
    for table in (given.ngrams, head.ngrams):
        if table is not None:
            torch.nn.init.normal_(table.weight)
    head.start_from(given)
    encoded = backbone.eval().encode(*padded([[4, 5, 6, 7, 9], [8, 4]], 0))
    torch.testing.assert_close(head(encoded), given(encoded), atol=0, rtol=0)


def test_a_classifier_cannot_start_from_another_shape() -> None:
    shape = ClassifierConfig(("a", "b"), ngram_buckets=8)
    assert dataclasses.replace(shape, each_ngram_once=True).can_start_from(shape)
    assert not dataclasses.replace(shape, ngram_buckets=20).can_start_from(shape)
    assert not dataclasses.replace(shape, ngram_buckets=0).can_start_from(shape)
    assert not dataclasses.replace(shape, longest_ngram=2).can_start_from(shape)
    assert not dataclasses.replace(shape, ngram_unit="word").can_start_from(shape)
    assert not dataclasses.replace(shape, labels=("a", "c")).can_start_from(shape)


def test_copy_can_only_add_to_what_the_source_holds(backbone: Backbone) -> None:
    head = Seq2SeqHead(backbone, Seq2SeqConfig(10, copy=True)).eval()
    assert head.copy_gate is not None
    torch.nn.init.zeros_(head.copy_gate.weight)
    torch.nn.init.constant_(head.copy_gate.bias, -50.0)  # always copy
    with torch.inference_mode():
        memory = head.read(backbone.encode(*padded([[4, 5, 4]], 0)))
        lower, _ = backbone.advance(torch.tensor([[2]]))
        decoded, _ = head.decode(lower, memory, head.initial_state(memory))
        probabilities = head.log_probabilities(backbone, decoded, memory).exp()[0]
    attention = decoded.attention[0, 0]
    torch.testing.assert_close(probabilities[4], attention[0] + attention[2], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(probabilities[5], attention[1], atol=1e-5, rtol=1e-5)
    assert float(probabilities[[6, 7, 8]].max()) < 1e-6


def test_language_model_step_and_prompt_equal_the_whole_run(any_model: RondoModel) -> None:
    model = any_model
    head, backbone = model.language_model("generation"), model.backbone
    prompts = [[2, 4, 5, 6], [2, 7], [2, 8, 9, 10, 11, 12]]
    ids, lengths = padded(prompts, 0)
    with torch.inference_mode():
        outputs, state = backbone.read_prompts(ids, lengths)
        hidden, top = head.read_prompts(outputs, lengths)
        following, next_state = backbone.advance_one(torch.tensor([13, 13, 13]), state)
        stepped, _ = head.read_one(following, top)
        assert next_state.num_rows == 3
        for row, prompt in enumerate(prompts):
            lower, _ = backbone.advance(torch.tensor([[*prompt, 13]]))
            expected, _ = head.read(lower, None)
            torch.testing.assert_close(hidden[row], expected[0, -2], atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(stepped[row], expected[0, -1], atol=1e-5, rtol=1e-5)


def test_head_configs_name_what_is_wrong() -> None:
    with pytest.raises(ConfigError, match=r"unknown key colour.*known are labels"):
        head_config({"kind": "classifier", "labels": ["a", "b"], "colour": 1}, "heads.x")
    with pytest.raises(ConfigError, match="classifier, language_model, seq2seq"):
        head_config({"kind": "crf"}, "heads.x")
    with pytest.raises(ConfigError, match="two different labels"):
        head_config({"kind": "classifier", "labels": ["a"]}, "heads.x")


def test_configs_survive_plain_values(model: RondoModel) -> None:
    configs = model.configs()
    rebuilt = {name: head_config(values, name) for name, values in configs["heads"].items()}
    assert all(dataclasses.asdict(rebuilt[n]) == dataclasses.asdict(model.head(n).config) for n in model.heads)

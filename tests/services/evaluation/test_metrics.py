import pytest

from rondo_services.evaluation import metrics


def test_classification_by_hand() -> None:
    expected = ["pos", "pos", "pos", "neg"]
    predicted = ["pos", "neg", "pos", "neg"]
    measured = metrics.classification(predicted, expected)
    # pos: precision 1, recall 2/3, F1 0.8; neg: precision 1/2, recall 1, F1 2/3
    assert measured["accuracy"] == pytest.approx(75)
    assert measured["macro_f1"] == pytest.approx(100 * (0.8 + 2 / 3) / 2)
    assert measured["confusion"] == {"neg": {"neg": 1, "pos": 0}, "pos": {"neg": 1, "pos": 2}}


def test_a_label_that_is_only_predicted_counts_against_macro_f1() -> None:
    measured = metrics.classification(["a", "c"], ["a", "a"])
    assert measured["macro_f1"] == pytest.approx(100 * (2 / 3 + 0) / 2)
    assert measured["confusion"]["a"] == {"a": 1, "c": 1}


def test_one_label_alone_is_no_warning() -> None:
    """scikit-learn's confusion matrix warned of it, though it was given all labels."""
    measured = metrics.classification(["a", "a"], ["a", "a"])
    assert measured == {"accuracy": 100, "macro_f1": 100, "confusion": {"a": {"a": 2}}}


def test_bleu_by_hand() -> None:
    # 1- to 4-gram precisions 5/6, 3/5, 2/4, 1/3; as long as the reference
    measured = metrics.translation(["the grey bird sat down here"], [["the grey bird sat up here"]], "en")
    assert measured["bleu"] == pytest.approx(100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25)
    assert "case:mixed" in measured["signatures"]["bleu"]
    assert "tok:13a" in measured["signatures"]["bleu"]


def test_bleu_and_chrf_of_equal_and_unlike_texts() -> None:
    equal = metrics.translation(["Ein kleines Boot."], [["Ein kleines Boot."]], "de")
    assert (equal["bleu"], equal["chrf"]) == (pytest.approx(100), pytest.approx(100))
    unlike = metrics.translation(["xyz"], [["Ein kleines Boot."]], "de")
    assert unlike["chrf"] == pytest.approx(0, abs=1e-6)
    assert unlike["bleu"] < 10


def test_case_counts() -> None:
    assert metrics.translation(["EIN BOOT AM SEE IM TAL"], [["ein boot am see im tal"]], "de")["bleu"] < 20


def test_each_hypothesis_is_matched_against_all_of_its_references() -> None:
    hypotheses = ["we go home right now", "it rains all day long", "the boat is very small"]
    references = [
        ["we go home right now"],
        ["rain falls the whole day", "it rains all day long"],
        ["a tiny boat", "what a little boat", "the boat is very small"],
    ]
    measured = metrics.translation(hypotheses, references, "en")
    assert measured["bleu"] == pytest.approx(100)
    assert measured["chrf"] == pytest.approx(100)
    first_only = metrics.translation(hypotheses, [alternatives[:1] for alternatives in references], "en")
    assert first_only["bleu"] < 70


def test_unequal_numbers_of_references_are_those_of_each_sentence() -> None:
    """A missing reference must not match anything, least of all another sentence's."""
    references = [["alpha beta gamma delta"], ["one two three four", "five six seven eight"]]
    swapped = metrics.translation(["five six seven eight", "alpha beta gamma delta"], references, "en")
    assert swapped["bleu"] < 10
    assert swapped["chrf"] < 30


def test_korean_bleu_is_of_characters() -> None:
    measured = metrics.translation(["나는 집에 간다"], [["나는 집에 갔다"]], "ko")
    assert "tok:char" in measured["signatures"]["bleu"]
    assert measured["bleu"] > 30  # on words, one shared bigram of three words


def test_rouge_by_hand() -> None:
    # 3 of 4 words; 1 of 3 bigrams; longest common subsequence "a c d" of 4
    measured = metrics.summarization(["a x c d"], ["a b c d"])
    assert measured["rouge1"] == pytest.approx(75)
    assert measured["rouge2"] == pytest.approx(100 / 3)
    assert measured["rougeL"] == pytest.approx(75)


def test_rouge_is_a_mean_of_f1_over_texts() -> None:
    # "small boat" of "a small boat": precision 1, recall 2/3, F1 0.8
    measured = metrics.summarization(["small boat", "nothing"], ["a small boat", "else"])
    assert measured["rouge1"] == pytest.approx(40)


def test_rouge_ignores_case_and_marks_but_not_endings() -> None:
    assert metrics.summarization(["Boats, small!"], ["boats small"])["rougeL"] == pytest.approx(100)
    assert metrics.summarization(["boats"], ["boat"])["rouge1"] == 0


def test_rouge_reads_korean_and_umlauts() -> None:
    """rouge-score's own tokenizer keeps a-z and digits only: every Korean summary scored 0."""
    assert metrics.summarization(["작은 배"], ["작은 배"])["rouge1"] == pytest.approx(100)
    assert metrics.summarization(["작은 배"], ["작은 강"])["rouge1"] == pytest.approx(50)
    assert metrics.summarization(["größer"], ["grosser"])["rouge1"] == 0
    assert metrics.summarization(["schönes Boot"], ["Schönes boot"])["rouge2"] == pytest.approx(100)


def test_an_empty_summary_scores_nothing() -> None:
    assert metrics.summarization([""], ["a boat"]) == {"rouge1": 0, "rouge2": 0, "rougeL": 0}


def test_unlike_numbers_of_texts_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        metrics.summarization(["a"], ["a", "b"])

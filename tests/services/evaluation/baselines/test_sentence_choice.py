from rondo_services.datasets.examples import Pair
from rondo_services.evaluation.baselines.sentence_choice import chosen_sentences

BIRDS = ("heron", "stork", "crane", "egret", "bittern", "ibis", "spoonbill", "gull")
TRAIN = [
    Pair(
        f"Many {bird}s live near ponds. Old maps show no {bird}. In this paper we count each {bird}. It rained.",
        f"We count each {bird} in this paper.",
        "en",
        "en",
    )
    for bird in BIRDS
]


def test_the_sentence_that_sounds_like_the_best_of_training_texts_is_chosen() -> None:
    """Wherever it stands, and whatever it is about."""
    texts = [
        "In this paper we count each swan. Many swans live near ponds. It rained.",
        "It rained. Old maps show no tern. Many terns live near ponds. In this paper we count each tern!",
    ]
    assert chosen_sentences(texts, TRAIN) == ["In this paper we count each swan.", "In this paper we count each tern!"]


def test_a_text_without_sentences_is_its_own_summary() -> None:
    assert chosen_sentences(["", "swans"], TRAIN) == ["", "swans"]

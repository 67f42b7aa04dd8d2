"""What each figure of a report is called, how it is written, and whether less of it is better."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["score", "perplexity", "share", "count", "other"]
"""score: how good answers are, from 0 to 100; share: another percentage; count: a size, neither good nor bad."""

MINUS, RANGE, NONE = "\u2212", "\u2013", "\u2013"


@dataclass(frozen=True, slots=True)
class Measure:
    """A kind of figure.

    Attributes:
        about: what it says, in a few words.
        decimals: written after the point; None: as many as make three digits, without zeros at the end.
        unit: written after the number, with the space that comes before it.
    """

    name: str
    kind: Kind = "other"
    about: str = ""
    decimals: int | None = None
    unit: str = ""
    lower_is_better: bool = False

    def written(self, value: float | None) -> str:
        """A number for people, without the unit, as 1,234.5."""
        if value is None or math.isnan(value):
            return NONE
        if math.isinf(value):
            return "∞" if value > 0 else MINUS + "∞"
        text = _rounded(value) if self.decimals is None else f"{value:,.{self.decimals}f}"
        return text.replace("-", MINUS)

    @property
    def in_sentence(self) -> str:
        """The name as it is written within a sentence."""
        is_word = self.name[:1].isupper() and self.name[1:].replace(" ", "").islower()
        return self.name[:1].lower() + self.name[1:] if is_word else self.name

    def interval(self, low: float, high: float) -> str:
        """Both ends, as 31.2–34.5."""
        return f"{self.written(low)}{RANGE}{self.written(high)}"


def _rounded(value: float) -> str:
    """To three digits, and to whole numbers from 100 on; very small numbers with an exponent."""
    if value and abs(value) < 1e-4:
        return f"{value:.1e}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


COUNT = Measure("", "count", decimals=0)
PLAIN = Measure("")

_MEASURES = {
    "accuracy": Measure("Accuracy", "score", "texts that got the right label", 2, "\u202f%"),
    "macro_f1": Measure("Macro-F1", "score", "mean of the labels' F1, where each label counts the same", 2),
    "bleu": Measure("BLEU", "score", "n-grams shared with the references, over the whole corpus", 1),
    "bleu_tokenized": Measure("BLEU, lowercased and tokenised", "score", "the same of words as Moses cuts them", 1),
    "chrf": Measure("chrF", "score", "character sequences shared with the references", 1),
    "ter": Measure("TER", "score", "edits that would turn an answer into a reference", 1, lower_is_better=True),
    "rouge1": Measure("ROUGE-1", "score", "words shared with the reference, F1", 1),
    "rouge2": Measure("ROUGE-2", "score", "word pairs shared with the reference, F1", 1),
    "rougeL": Measure("ROUGE-L", "score", "longest common word sequence, F1", 1),
    "rouge": Measure("ROUGE"),
    "rouge1_stemmed": Measure("ROUGE-1, stemmed", "score", "of the reference with the best of it", 1),
    "rouge2_stemmed": Measure("ROUGE-2, stemmed", "score", "of the same reference", 1),
    "rougeL_stemmed": Measure("ROUGE-L, stemmed", "score", "of the same reference", 1),
    "rouge_stemmed": Measure("ROUGE, stemmed"),
    "f1": Measure("F1", "score", "of kept words, of all texts together", 2),
    "f1_per_text": Measure("F1 of a text", "score", "mean of each text's own", 2),
    "word_accuracy": Measure("Word accuracy", "score", "words that are rightly kept or deleted", 2, "\u202f%"),
    "exact": Measure("Exact", "score", "texts all of whose words are right", 2, "\u202f%"),
    "kept_share": Measure("Kept", "share", "words that are kept", 1, "\u202f%"),
    "expected_kept_share": Measure("Expected to be kept", "share", "words that should be", 1, "\u202f%"),
    "ece": Measure("Calibration error", "share", "mean distance of confidence and accuracy", 2, "\u202f%", True),
    "nll": Measure("Negative log-likelihood", about="of the right label, in nats", lower_is_better=True),
    "repetition": Measure("Repetition", "share", "4-grams that their text has had before", 1, "\u202f%", True),
    "distinct1": Measure("Distinct-1", "share", "different words among all words", 1, "\u202f%"),
    "distinct2": Measure("Distinct-2", "share", "different word pairs among all", 1, "\u202f%"),
    "distinct3": Measure("Distinct-3", "share", "different word triples among all", 1, "\u202f%"),
    "length_ratio": Measure("Length ratio", about="words of the answers to words of the references", decimals=2),
    "mean_length": Measure("Mean length", about="of the answers", decimals=1, unit=" words"),
    "word_perplexity": Measure(
        "Word perplexity", "perplexity", "as unsure as between so many equally likely words", 1, lower_is_better=True
    ),
    "token_perplexity": Measure(
        "Token perplexity", "perplexity", "the same for pieces of words", 1, lower_is_better=True
    ),
    "nats": Measure("Negative log-likelihood", "count", "of all tokens together, in nats", 0),
    "num_words": Measure("Words", "count", "with an end for each line", 0),
    "num_tokens": Measure("Tokens", "count", "pieces of words, as the model reads them", 0),
    "num_without_expected": Measure("Texts without a reference", "count", "", 0),
    "flips": Measure(
        "Label flips",
        "share",
        "pairs of sentences that differ in a person alone and get different labels",
        1,
        "\u202f%",
        True,
    ),
    "mean_change": Measure(
        "Mean change", about="of the probability within such a pair", decimals=3, lower_is_better=True
    ),
    "change": Measure("Change of the probability"),
    "max_change": Measure("Largest change", about="within a pair", decimals=3, lower_is_better=True),
    "shift": Measure("Shift", about="from the mean of all groups", decimals=3),
    "mean": Measure("Mean probability", decimals=3),
    "share_male": Measure("Male", "share", decimals=1, unit="\u202f%"),
    "share_female": Measure("Female", "share", decimals=1, unit="\u202f%"),
    "share_none": Measure("Neither", "share", decimals=1, unit="\u202f%"),
    "p(label)": Measure("Probability of the expected label"),
}
_MAIN = {
    "sentiment": ("accuracy", "macro_f1"),
    "translation": ("bleu", "chrf"),
    "summarization": ("rougeL", "rouge1"),
    "compression": ("f1", "rougeL"),
    "generation": ("repetition", "distinct2"),
    "perplexity": ("word_perplexity", "token_perplexity"),
    "bias": ("flips", "mean_change"),
}


def measure(key: str) -> Measure:
    """The measure that a report calls `key`; of an unknown one only the name is known."""
    if key in _MEASURES:
        return _MEASURES[key]
    name = key.removeprefix("num_").replace("_", " ")
    return Measure(name, "count", decimals=0) if key.startswith("num_") else Measure(name)


def main_of(task: str, keys: Iterable[str]) -> str | None:
    """The measure that a task is judged by, among those there are: the first of its own, or of any."""
    there = list(keys)
    own = [key for key in _MAIN.get(task, ()) if key in there]
    others = [key for key in there if measure(key).kind != "count"]
    return next(iter([*own, *others]), None)

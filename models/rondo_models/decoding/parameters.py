"""How a text is to be written, and a written one. Plain values: nothing here needs torch."""

from dataclasses import dataclass

_MOST_BANKS = 8
"""Rows that a search takes for its required phrases alone; more were slower and no better (docs/log.md)."""


@dataclass(frozen=True, slots=True)
class BeamParameters:
    """How one target is searched for.

    Attributes:
        beam_size: hypotheses kept; 1 is greedy.
        num_best: how many finished hypotheses to return, at most `beam_size`.
        max_tokens: longest target, the end symbol not counted.
        length_penalty: α in ((5 + length) / 6)^α, by which a log-probability is divided (Wu et al. 2016,
            arXiv:1609.08144).
        coverage_penalty: β of the same paper: how much a source token that got little attention costs.
        no_repeat_ngram: forbid an n-gram of this many tokens to come twice (Paulus et al. 2018,
            arXiv:1705.04304), unless it ends within a character; 0 allows.
        required: phrases that must be written, each once; of each the spellings in ids, of which one has to come.
        max_repeats: end a target whose last tokens are one n-gram that comes more often than this in a row
            (`decoding.loops`); 0 never.
        avoid: name of a set of tokens, of those that the executor knows, that are written only if they are required;
            empty: none.

    Raises:
        ValueError: a value outside its range.
    """

    beam_size: int = 4
    num_best: int = 1
    max_tokens: int = 128
    length_penalty: float = 1.0
    coverage_penalty: float = 0.0
    no_repeat_ngram: int = 0
    required: tuple[tuple[tuple[int, ...], ...], ...] = ()
    max_repeats: int = 0
    avoid: str = ""

    def __post_init__(self) -> None:
        checks = {
            "beam_size must be at least 1": self.beam_size >= 1,
            "num_best must be from 1 to beam_size": 1 <= self.num_best <= self.beam_size,
            "max_tokens must be at least 1": self.max_tokens >= 1,
            "no_repeat_ngram must not be negative": self.no_repeat_ngram >= 0,
            "each phrase in required needs spellings, each of at least one token": all(
                phrase and all(phrase) for phrase in self.required
            ),
            "max_repeats must not be negative": self.max_repeats >= 0,
        }
        for message, holds in checks.items():
            if not holds:
                raise ValueError(message)

    @property
    def num_rows(self) -> int:
        """Most hypotheses that run at once: one for each number of required tokens that may be written, if that is
        more than the beam has and not too many.
        """
        if not self.required:
            return self.beam_size
        num_required = sum(min(map(len, phrase)) for phrase in self.required)
        return max(self.beam_size, min(num_required + 1, _MOST_BANKS))


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A finished target.

    Attributes:
        ids: without start and end symbols.
        score: log-probability after length and coverage penalties.
        log_probability: plain sum; with what it was cut off by, if that was in the middle of a character.
        finish_reason: "stop" at the end symbol, "length" at the longest allowed target, "loop" if it repeated itself;
            then it is cut back to one copy.
        attention: if it was asked for: of each id, and of the end symbol after "stop", over the ids of the source.
    """

    ids: tuple[int, ...]
    score: float
    log_probability: float
    finish_reason: str
    attention: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class TokenScore:
    """What the model said of a token, before temperature, penalties and filters.

    Attributes:
        likeliest: the tokens that were likeliest in its place, best first, with their log-probabilities.
    """

    id: int
    log_probability: float
    likeliest: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class SamplingParameters:
    """How one sequence is written.

    Attributes:
        max_tokens: most tokens to write, the end symbol not counted.
        temperature: 0 takes the likeliest token.
        top_k: only the k likeliest; 0 all.
        top_p: only the likeliest that together have this probability (Holtzman et al. 2020, arXiv:1904.09751).
        min_p: only those at least this share as likely as the likeliest (Nguyen et al. 2024, arXiv:2407.01082).
        repetition_penalty: multiplies the log-probability of tokens seen before (after Keskar et al. 2019,
            arXiv:1909.05858, who divide logits); 1 none.
        frequency_penalty: taken off a token's score for each time it was written.
        presence_penalty: taken off a token's score once it was written.
        seed: of this sequence's own random numbers; None draws one.
        logit_bias: tokens, and what is added to their scores.
        num_logprobs: keep the score of each token and of so many likeliest ones; None keeps none.

    Raises:
        ValueError: a value outside its range.
    """

    max_tokens: int = 64
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int | None = None
    logit_bias: tuple[tuple[int, float], ...] = ()
    num_logprobs: int | None = None

    def __post_init__(self) -> None:
        checks = {
            "max_tokens must be at least 1": self.max_tokens >= 1,
            "temperature must not be negative": self.temperature >= 0,
            "top_k must not be negative": self.top_k >= 0,
            "top_p must be in (0, 1]": 0 < self.top_p <= 1,
            "min_p must be in [0, 1]": 0 <= self.min_p <= 1,
            "repetition_penalty must be positive": self.repetition_penalty > 0,
            "num_logprobs must not be negative": (self.num_logprobs or 0) >= 0,
        }
        for message, holds in checks.items():
            if not holds:
                raise ValueError(message)

    @property
    def changes_scores(self) -> bool:
        """Whether tokens score otherwise than the model says."""
        penalties = self.repetition_penalty != 1 or self.frequency_penalty or self.presence_penalty
        return bool(penalties or self.logit_bias)

    @property
    def is_greedy(self) -> bool:
        """Whether the likeliest token is always taken."""
        return self.temperature == 0 and not self.changes_scores

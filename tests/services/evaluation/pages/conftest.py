"""Reports as they are written for each task, as older versions wrote them, and one whose words are hostile."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

Report = dict[str, Any]

HOSTILE = (
    "<script>alert(1)</script> \"'&amp; </style></svg>-->{{ 7*7 }} \u202eevil\u202c \ud800 | pipe \\| `tick` ```\n"
    "# line two\r\n@you #12 https://evil.example/x www.evil.example 한국어 👩‍👩‍👧‍👦 " + "W" * 3000 + "\x00\x1b[31m"
)

_ORIGIN: Report = {
    "split": "dev",
    "num_examples": 300,
    "num_errors": 3,
    "bundle": "tiny 0.1.0",
    "bundle_fingerprint": "b836bcc651ef" + 52 * "0",
    "settings": {"precision": "mixed"},
    "data_sha256": "be4a8b81d863" + 52 * "0",
    "signature": "bundle:b836bcc651ef|n:300",
    "seconds": 4.3,
    "machine": {"processor": "Some Processor", "python": "3.11.7"},
    "bootstrap": {"method": "percentile", "resamples": 1000, "seed": 1},
    "speed": {"seconds": 4.3, "texts_per_s": 69.77, "chunk_texts": 256, "chunk_seconds": {"p50": 0.3, "p90": 0.44}},
}

_TRANSLATION: Report = {
    **_ORIGIN,
    "task": "translation",
    "data": "tatoeba-en-de",
    "settings": {"precision": "mixed", "source": "en", "target": "de", "format": "plain", "beam_size": 8},
    "metrics": {"bleu": 44.66, "chrf": 59.61, "ter": 40.4, "signatures": {"bleu": "nrefs:var|tok:13a"}},
    "intervals": {"bleu": [40.6, 48.3], "chrf": [56.3, 62.9]},
    "baselines": {"dictionary": {"bleu": 17.2, "chrf": 38.0}, "copy": {"bleu": 4.1}},
    "breakdowns": {
        "length": [
            {"name": "1–5 words", "num": 250, "metrics": {"bleu": 45.1}, "intervals": {"bleu": [39.2, 50.8]}},
            {"name": "6–10 words", "num": 50, "metrics": {"bleu": 35.8}, "intervals": {"bleu": [16.0, 52.3]}},
        ],
    },
    "worst": [
        {
            "line": 29,
            "text": "Take us there.",
            "expected": ["Nimm uns mit.", "Bring uns hin."],
            "predicted": "Bring mich hin!",
            "score": 13.25,
        }
    ],
    "histogram": {"measure": "chrF", "edges": [0, 25, 50, 100], "counts": [30, 70, 200]},
    "attention": [{"source": ["▁Take", "▁us"], "target": ["▁Nimm", "▁uns"], "weights": [[0.9, 0.1], [0.2, 0.8]]}],
}

_SENTIMENT: Report = {
    **_ORIGIN,
    "task": "sentiment",
    "data": "nsmc",
    "metrics": {
        "accuracy": 86.1,
        "macro_f1": 86.0,
        "ece": 3.4,
        "confusion": {"negative": {"negative": 130, "positive": 20}, "positive": {"negative": 22, "positive": 128}},
    },
    "intervals": {"accuracy": [84.45, 87.6]},
    "breakdowns": {"language": [{"name": "ko", "num": 300, "metrics": {"accuracy": 86.1}, "intervals": {}}]},
    "worst": [{"line": 7, "text": "재밌어요 ㅎㅎ", "expected": ["negative"], "predicted": "positive", "score": 0.0119}],
    "calibration": [
        {"confidence": 0.6, "accuracy": 0.5, "num": 100},
        {"confidence": 0.95, "accuracy": 0.95, "num": 200},
        {"confidence": 0.7, "accuracy": 0.0, "num": 0},
    ],
    "histogram": {"measure": "p(label)", "edges": [0.0, 0.5, 1.0], "counts": [42, 258]},
}

_SUMMARIZATION: Report = {
    **_ORIGIN,
    "task": "summarization",
    "data": "debian-synopsis-en",
    "metrics": {"rouge1": 45.6, "rouge2": 26.9, "rougeL": 42.5},
    "intervals": {"rougeL": [37.8, 46.5]},
    "baselines": {"lead-7-words": {"rouge1": 28.7, "rouge2": 16.3, "rougeL": 27.3}},
    "worst": [
        {"line": 1, "text": "A long text. " * 100, "expected": ["DNS server"], "predicted": "A text", "score": 0.0}
    ],
    "histogram": {"measure": "ROUGE-L", "edges": [0, 50, 100], "counts": [100, 200]},
}

_PERPLEXITY: Report = {
    **_ORIGIN,
    "task": "perplexity",
    "data": "wikitext2",
    "settings": {"state": "carried", "precision": "float32"},
    "metrics": {"word_perplexity": 196.803, "token_perplexity": 26.9, "nats": 1297145.8, "num_words": 245569},
    "intervals": {"word_perplexity": [189.2, 204.4]},
    "baselines": {"interpolated-kneser-ney-5": {"word_perplexity": 223.7}},
    "worst": [{"line": 4, "text": "Aether anon", "expected": [], "score": 11.5}],
    "histogram": {"measure": "nats per word", "edges": [0.0, 0.5, 1.0], "counts": [1, 2]},
    "speed": {"seconds": 4.3, "source_tokens_per_s": 20000.0},
}

_GENERATION: Report = {
    **_ORIGIN,
    "task": "generation",
    "data": "prompts.jsonl",
    "split": "",
    "metrics": {"repetition": 1.5, "mean_length": 40.2, "distinct1": 34.0},
    "worst": [{"line": 3, "text": "Once", "expected": [], "predicted": "upon upon upon", "score": 40.0}],
}

_OLD: Report = {
    "task": "translation",
    "data": "tatoeba-en-de",
    "split": "test",
    "num_examples": 1700,
    "metrics": {"bleu": 39.9, "chrf": 55.9, "signatures": {"bleu": "nrefs:var|tok:13a"}},
    "baselines": {},
    "bundle": "tiny 0.1.0",
    "bundle_fingerprint": "b836",
    "settings": {"precision": "mixed", "source": "de", "target": "en", "beam_size": 4, "length_penalty": 1.0},
    "data_sha256": "fd9e",
    "seconds": 9.1,
    "signature": "bundle:b836",
    "machine": {"processor": "x86_64"},
}

_NULLS: Report = {
    "task": "sentiment",
    "data": None,
    "num_examples": None,
    "metrics": {"accuracy": None, "macro_f1": float("nan")},
    "intervals": {"accuracy": [None, None], "macro_f1": None},
    "baselines": {"other": {"accuracy": None}},
    "breakdowns": {"length": [{"name": "1", "num": None, "metrics": {"accuracy": None}, "intervals": None}] * 2},
    "worst": [{"line": None, "text": None, "expected": None, "predicted": None, "score": None}],
    "calibration": None,
    "histogram": None,
    "speed": {"texts_per_s": None},
    "attention": [{"source": ["a"], "target": ["b"], "weights": [[None]]}],
}

_HOSTILE: Report = {
    "task": HOSTILE,
    "data": HOSTILE,
    "split": HOSTILE,
    "num_examples": 1,
    "bundle": HOSTILE,
    "bundle_fingerprint": HOSTILE,
    "settings": {HOSTILE: HOSTILE},
    "data_sha256": HOSTILE,
    "signature": HOSTILE,
    "machine": {HOSTILE: [HOSTILE]},
    "metrics": {
        HOSTILE: 3,
        "bleu": 2.0,
        "confusion": {HOSTILE: {HOSTILE: 1, "ok": 2}, "ok": {"ok": 3, HOSTILE: None}},
        "signatures": {HOSTILE: HOSTILE},
        "deep": {HOSTILE: {HOSTILE: HOSTILE}},
    },
    "intervals": {HOSTILE: [1, 4]},
    "bootstrap": {"method": HOSTILE},
    "baselines": {HOSTILE: {HOSTILE: 4, "bleu": 1.0}},
    "breakdowns": {HOSTILE: [{"name": HOSTILE, "num": 1, "metrics": {HOSTILE: 1}}] * 2},
    "worst": [{"line": 1, "text": HOSTILE, "expected": [HOSTILE, "b"], "predicted": HOSTILE + "!", "score": 1.0}],
    "histogram": {"measure": HOSTILE, "edges": [0, 1, 2], "counts": [1, 0]},
    "attention": [{"source": [HOSTILE, "b"], "target": [HOSTILE], "weights": [[0.3, 0.7]]}],
    "speed": {HOSTILE: HOSTILE},
    HOSTILE: HOSTILE,
}

_LABELS = [f"label {number}" for number in range(20)]
_MANY_LABELS: Report = {
    "task": "sentiment",
    "metrics": {"accuracy": 100.0, "confusion": {row: dict.fromkeys(_LABELS, 1) for row in _LABELS}},
}
_ONE_LABEL: Report = {"task": "sentiment", "metrics": {"accuracy": 100.0, "confusion": {"only": {"only": 5}}}}

SAMPLES = {
    "translation": _TRANSLATION,
    "sentiment": _SENTIMENT,
    "summarization": _SUMMARIZATION,
    "perplexity": _PERPLEXITY,
    "generation": _GENERATION,
    "old": _OLD,
    "nulls": _NULLS,
    "hostile": _HOSTILE,
    "many labels": _MANY_LABELS,
    "one label": _ONE_LABEL,
    "nothing": {"task": "sentiment"},
}


@pytest.fixture(params=SAMPLES)
def any_report(request: pytest.FixtureRequest) -> Report:
    """Each of them."""
    return copy.deepcopy(SAMPLES[request.param])


@pytest.fixture
def sample() -> Callable[[str], Report]:
    """The one of a name, for changing."""
    return lambda name: copy.deepcopy(SAMPLES[name])


@pytest.fixture
def hostile_text() -> str:
    """What the hostile report is full of."""
    return HOSTILE

"""EleutherAI's evaluation harness, unmodified and offline, with tasks of our own against the real server.

It gets its tokens from the server too, so it needs neither a hub nor the bundle.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

SENTENCES = Path(__file__).parents[2] / "data" / "sentences.tsv"
NUM_DOCUMENTS = 20
TASKS: dict[str, dict[str, Any]] = {
    "rondo_order": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{begin}}",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{answer}}",
        "metric_list": [{"metric": "acc"}],
    },
    "rondo_perplexity": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{text}}",
        "metric_list": [{"metric": "word_perplexity"}],
    },
    "rondo_writing": {
        "output_type": "generate_until",
        "doc_to_text": "{{begin}}",
        "doc_to_target": "{{choices[answer]}}",
        "generation_kwargs": {"until": ["."], "max_gen_toks": 12},
        "metric_list": [{"metric": "exact_match"}],
    },
}


def _documents() -> list[dict[str, Any]]:
    """Sentences; of each its first words, and its others in their order and in another."""
    lines = (line.split("\t") for line in SENTENCES.read_text(encoding="utf-8").splitlines())
    sentences = [text.split() for language, text in lines if language == "en" and len(text.split()) > 5]
    numbers = random.Random(0)
    documents = []
    for words in sentences[:NUM_DOCUMENTS]:
        others = words[2:]
        while others == words[2:]:
            numbers.shuffle(others)
        answer = numbers.randrange(2)
        choices = [" ".join(words[2:]), " ".join(others)]
        documents.append(
            {
                "text": " ".join(words),
                "begin": " ".join(words[:2]),
                "choices": choices[::-1] if answer else choices,
                "answer": answer,
            }
        )
    return documents


@pytest.fixture(scope="module")
def results(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the harness reports, with a list of samples for each task."""
    folder = tmp_path_factory.mktemp("lm_eval")
    lines = [json.dumps(document) + "\n" for document in _documents()]
    (folder / "test.jsonl").write_text("".join(lines), encoding="utf-8")
    shared = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / "test.jsonl")}},
        "test_split": "test",
    }
    for name, task in TASKS.items():  # JSON is YAML too
        (folder / f"{name}.yaml").write_text(json.dumps({"task": name, **shared, **task}), encoding="utf-8")
    url = client.base_url.join("/v1/completions")
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "local-completions"]
    command += ["--model_args", f"model=generation,base_url={url},num_concurrent=4"]
    command += ["--tasks", ",".join(TASKS), "--include_path", str(folder)]
    command += ["--output_path", str(folder / "out"), "--log_samples"]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(folder / "home")}
    run = subprocess.run(command, env={**os.environ, **offline}, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    (report,) = (folder / "out").rglob("results_*.json")
    content: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))["results"]
    for name in TASKS:
        (samples,) = (folder / "out").rglob(f"samples_{name}_*.jsonl")
        content[name]["samples"] = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
        assert len(content[name]["samples"]) == NUM_DOCUMENTS
    return content


def test_real_sentences_are_likelier_than_shuffled_ones(results: dict[str, Any]) -> None:
    assert results["rondo_order"]["acc,none"] >= 0.8


def test_the_likelihood_is_that_of_all_tokens(results: dict[str, Any], client: httpx.Client) -> None:
    for sample in results["rondo_perplexity"]["samples"]:
        body = {"prompt": sample["doc"]["text"]}
        ids = client.post("/tokenize", json=body).json()["tokens"]
        request = {"model": "generation", "prompt": ids, "max_tokens": 0, "echo": True, "logprobs": 0}
        (choice,) = client.post("/v1/completions", json=request).json()["choices"]
        first, *others = choice["logprobs"]["token_logprobs"]
        assert first is None
        assert float(sample["resps"][0][0]) == pytest.approx(sum(others), rel=1e-3)


def test_texts_are_written_up_to_the_stop(results: dict[str, Any], client: httpx.Client) -> None:
    for sample in results["rondo_writing"]["samples"]:
        request = {"model": "generation", "prompt": sample["doc"]["begin"], "max_tokens": 12, "temperature": 0}
        (choice,) = client.post("/v1/completions", json={**request, "stop": "."}).json()["choices"]
        assert sample["resps"] == [[choice["text"]]]

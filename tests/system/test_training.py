"""`rondo train` on a user's own files, as a process: all four tasks, a kill -9 in the middle, unusable files."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rondo_models.manifest import read_contents
from rondo_services.local import LocalSuite, load_suite

RONDO = [sys.executable, "-m", "rondo_services.cli"]
GOOD, BAD = ("warm", "kind", "bright", "lovely"), ("cold", "rude", "grim", "awful")
NOUNS = ("soup", "room", "waiter", "garden", "bread", "view", "music", "price")


def _reviews(path: Path, count: int) -> Path:
    rng = random.Random(1)
    rows = ["text,label"]
    for number in range(count):
        label, words = (("good", GOOD), ("bad", BAD))[number % 2]
        rows.append(f'"The {rng.choice(NOUNS)} was {rng.choice(words)}, number {number}.",{label}')
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def _pairs(path: Path, count: int) -> Path:
    rng = random.Random(2)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            noun = rng.choice(NOUNS)
            row = {"source": f"Here is the {noun} with number {number}.", "target": f"Da ist {noun} {number}."}
            file.write(json.dumps(row) + "\n")
    return path


def _train(*arguments: str | Path) -> list[str]:
    return [*RONDO, "train", *map(str, arguments)]


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, the run and the bundle of a sentiment training that nothing disturbed."""
    folder = tmp_path_factory.mktemp("trained")
    data = _reviews(folder / "reviews.csv", 400)
    options = ("--steps", "24", "--run", folder / "run", "--output", folder / "bundle")
    done = _run(_train("--task", "sentiment", "--data", data, *options))
    assert done.returncode == 0, done.stderr
    return folder


def test_a_trained_bundle_is_whole_and_has_learned(trained: Path) -> None:
    assert read_contents(trained / "bundle").manifest.languages == ("en",)
    suite = load_suite(trained / "bundle")
    try:
        assert suite.sentiment is not None
        texts = {"The view was lovely.": "good", "The price was awful.": "bad"}
        answers = suite.run_blocking([suite.sentiment.work(text) for text in texts])
        labels = [suite.sentiment.result(t, "en", a).label for t, a in zip(texts, answers, strict=True)]
        assert labels == list(texts.values())
    finally:
        suite.close()
    assert (trained / "run" / "losses.png").read_bytes().startswith(b"\x89PNG")
    assert all(json.loads(line) for line in (trained / "run" / "log.jsonl").read_text().splitlines())


def test_a_killed_run_goes_on_to_the_same_weights(trained: Path, tmp_path: Path) -> None:
    run, output = tmp_path / "run", tmp_path / "bundle"
    run.mkdir()
    shutil.copy(trained / "run" / "tokenizer.model", run)
    options = ("--steps", "24", "--run", run, "--output", output)
    command = _train("--task", "sentiment", "--data", trained / "reviews.csv", *options)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoint, deadline = run / "joint.pt", time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert checkpoint.exists()
    assert not output.exists()
    done = _run([*command, "--so-far", str(tmp_path / "so-far")])
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"wrote {tmp_path / 'so-far'}: joint, step ")
    assert read_contents(tmp_path / "so-far").manifest.services == {"sentiment": {"languages": ["en"]}}
    done = _run(command)
    assert done.returncode == 0, done.stderr
    for name in ("backbone.safetensors", "heads/sentiment.safetensors"):
        digests = {hashlib.sha256((folder / name).read_bytes()).hexdigest() for folder in (output, trained / "bundle")}
        assert len(digests) == 1, name


@pytest.mark.parametrize("task", ["translation", "summarization", "generation"])
def test_the_other_services_train_from_a_file_too(task: str, tmp_path: Path) -> None:
    data = _pairs(tmp_path / "pairs.jsonl", 200)
    if task == "generation":
        data = tmp_path / "lines.tsv"
        data.write_text("text\n" + "".join(f"The {noun} is here.\n" for noun in NOUNS * 30), encoding="utf-8")
    options = ("--steps", "4", "--run", tmp_path / "run", "--output", tmp_path / "bundle")
    languages = ("--language", "en", "--target-language", "de") if task == "translation" else ()
    done = _run(_train("--task", task, "--data", data, *languages, *options))
    assert done.returncode == 0, done.stderr
    suite = load_suite(tmp_path / "bundle")
    try:
        assert list(suite.served()) == [task]
    finally:
        suite.close()


def test_a_bundle_writes_the_language_of_its_file_and_no_other(trained: Path, tmp_path: Path) -> None:
    data = _pairs(tmp_path / "pairs.jsonl", 200)
    command = _train("--task", "translation", "--data", data, "--language", "en", "--target-language", "fr")
    options = ("--steps", "4", "--run", tmp_path / "run", "--output", tmp_path / "bundle")
    done = _run([*command, *map(str, options)])
    assert done.returncode == 0, done.stderr
    asked = [*RONDO, "translate", "Here is the soup.", "--bundle", str(tmp_path / "bundle"), "--json", "--to"]
    done = _run([*asked, "fr"])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["target"] == "fr"
    done = _run([*asked, "de"])
    assert (done.returncode, done.stderr) == (2, "rondo: target: Input should be 'en' or 'fr'\n")
    elsewhere = ("--init", trained / "bundle", "--run", tmp_path / "second", "--output", tmp_path / "none")
    done = _run([*command, *map(str, elsewhere)])
    assert (done.returncode, done.stderr) == (2, "rondo: cannot translate into 'fr'; the vocabulary has en\n")
    assert not (tmp_path / "none").exists()


def test_training_goes_on_from_a_bundle(trained: Path, tmp_path: Path) -> None:
    options = ("--steps", "2", "--run", tmp_path / "run", "--output", tmp_path / "bundle")
    init = ("--init", trained / "bundle")
    done = _run(_train("--task", "sentiment", "--data", trained / "reviews.csv", *init, *options))
    assert done.returncode == 0, done.stderr
    before, after = _suite(trained / "bundle"), _suite(tmp_path / "bundle")
    assert after.bundle.tokenizer == before.bundle.tokenizer
    assert after.bundle.manifest.training["stretches"] == 2
    old, new = before.bundle.model.backbone.state_dict(), after.bundle.model.backbone.state_dict()
    assert 0 < max(float((new[name] - old[name]).abs().max()) for name in old) < 0.05


def _suite(folder: Path) -> LocalSuite:
    suite = load_suite(folder)
    suite.close()
    return suite


def test_preparation_ends_before_the_training(trained: Path, tmp_path: Path) -> None:
    options = ("--steps", "2", "--run", tmp_path / "run", "--output", tmp_path / "bundle")
    command = _train("--task", "sentiment", "--data", trained / "reviews.csv", *options)
    done = _run([*command, "--prepare-only", "--device", "cuda"])
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"prepared {tmp_path / 'run'}; the same command without --prepare-only trains\n"
    kept = tmp_path / "run" / "prepared.npz.zst"
    before = kept.stat().st_mtime_ns
    assert not (tmp_path / "bundle").exists()
    assert not (tmp_path / "run" / "log.jsonl").exists()
    done = _run([*command, "--so-far", str(tmp_path / "so-far")])
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no checkpoint yet" in done.stderr
    done = _run([*command, "--so-far", str(tmp_path / "so-far"), "--prepare-only"])
    assert (done.returncode, done.stderr) == (2, "rondo: --prepare-only and --so-far exclude each other\n")
    done = _run(command)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"wrote {tmp_path / 'bundle'}\n"
    assert kept.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("content", "message"),
    [("text,mood\nfine,good\n", "expected the columns text, label"), ("text,label\nfine,good\n", "two different")],
)
def test_unusable_files_are_refused_in_one_line(content: str, message: str, tmp_path: Path) -> None:
    data = tmp_path / "reviews.csv"
    data.write_text(content)
    done = _run(_train("--task", "sentiment", "--data", data, "--output", tmp_path / "bundle"))
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "bundle").exists()

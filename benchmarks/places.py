"""Where the benchmarks find things."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"
DEFAULT_BUNDLE = ROOT / "bundles" / "rondo-base"
SENTENCES = ROOT / "tests" / "data" / "sentences.tsv"
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"

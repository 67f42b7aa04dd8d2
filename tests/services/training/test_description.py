"""What makers say of a bundle, from a file into manifest and card."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.bundle import load_bundle, save_bundle
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.manifest import Manifest
from rondo_models.model import RondoModel
from rondo_services.errors import InvalidInput
from rondo_services.training.costs import Cost
from rondo_services.training.description import describe, read_description

MEASURED = Cost("second", 1, "cpu", "a processor, 2 logical cores", 90.0, 80.0, 0.25, "counters").as_record()
FILE = """
licence = "Apache-2.0"
intended_use = ["short texts"]
not_for = ["decisions"]
[[training]]
what = "the first stretch"
stretches = 2
device = "cpu"
machine = "2 cores"
hours = 1.5
energy_wh = 30
energy_basis = "estimate: 1.5 h × 20 W"
source = "the log"
"""


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Path]:
    def make(**training: Any) -> Path:
        torch.manual_seed(0)
        model = RondoModel(BackboneConfig(9, embedding_size=4, hidden_size=4), {"generation": LanguageModelConfig()})
        manifest = Manifest("tiny", "1", ("en",), {"generation": {"languages": ["en"]}}, training=training)
        save_bundle(tmp_path / "bundle", manifest, model, b"vocabulary", "# card")
        return tmp_path / "bundle"

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "card.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def _card(bundle: Path) -> str:
    return (bundle / "README.md").read_text(encoding="utf-8")


def test_what_is_said_reaches_manifest_and_card(make_bundle: Callable[..., Path], write: Callable[[str], Path]) -> None:
    bundle = make_bundle(steps=7, stretches=4, costs=[MEASURED])
    before = load_bundle(bundle).fingerprint
    for _ in range(2):  # the same command gives the same
        describe(bundle, write(FILE))
        after = load_bundle(bundle)
        assert after.fingerprint == before
        assert after.manifest.description["licence"] == "Apache-2.0"
        assert [cost["what"] for cost in after.manifest.training["costs"]] == ["the first stretch", "second"]
    card = _card(bundle)
    assert "## Licence\n\nApache-2.0\n" in card
    assert "It is for:\n- short texts\n" in card
    assert "It must not be used for:\n- decisions\n" in card
    assert (
        "| the first stretch | 2 cores | 1.50 h | – | 30 Wh | estimate: 1.5 h × 20 W | the log |\n"
        "| second | a processor, 2 logical cores | 1.5 min | 1.3 min | 0.25 Wh | counters | recorded by rondo train |\n"
        "| sum |  | 1.52 h |  | 30.2 Wh |  |  |\n"
    ) in card
    assert "This is of 3 of 4 stretches of training" in card


def test_an_unknown_energy_stays_unknown_in_the_sum(
    make_bundle: Callable[..., Path], write: Callable[[str], Path]
) -> None:
    bundle = make_bundle(stretches=3, costs=[MEASURED])
    describe(bundle, write(FILE.replace("energy_wh = 30\n", "")))
    assert "| unknown | estimate: 1.5 h × 20 W |" in _card(bundle)
    assert "| 0.25 Wh (and what is unknown) |" in _card(bundle)
    assert "stretches of training; nothing" not in _card(bundle)


def test_more_stretches_than_there_were_are_refused(
    make_bundle: Callable[..., Path], write: Callable[[str], Path]
) -> None:
    bundle = make_bundle(stretches=2, costs=[MEASURED])
    with pytest.raises(InvalidInput, match="told of 3 stretches of training, but there were 2"):
        describe(bundle, write(FILE))
    assert _card(bundle) == "# card"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("licence", r"card\.toml: Expected '='"),
        ('licence = "x"\nnot_for = ["y"]', "intended_use: Field required"),
        (FILE.replace("hours = 1.5", "hours = 0"), r"training\.0\.hours: Input should be greater than 0"),
        (FILE.replace("hours = 1.5", "hours = inf"), r"training\.0\.hours: Input should be a finite number"),
        (FILE.replace("energy_wh = 30", "energy_wh = inf"), r"training\.0\.energy_wh: Input should be a finite number"),
        (FILE + "watts = 3", r"training\.0\.watts: Extra inputs are not permitted"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, message: str, write: Callable[[str], Path]) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_description(write(text))


def test_the_file_of_the_shipped_bundle_is_whole() -> None:
    said = read_description(Path(__file__).parents[3] / "configs" / "cards" / "rondo-base.toml")
    assert all("estimate" in past.energy_basis for past in said.training)

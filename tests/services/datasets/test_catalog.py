from itertools import chain
from pathlib import Path

import pytest

from rondo_services.datasets.catalog import DATA_SETS, data_set
from rondo_services.datasets.examples import SPLITS
from rondo_services.datasets.files import DataMissing
from rondo_tokenizers.language_names import LANGUAGES


@pytest.mark.parametrize("name", DATA_SETS)
def test_a_missing_data_set_names_its_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="is missing") as caught:
        list(chain.from_iterable(data_set(name).read(tmp_path, split) for split in SPLITS))  # some have but one
    assert str(tmp_path) in str(caught.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown data set 'nsms'; known are nsmc, ") as caught:
        data_set("nsms")
    assert all(name in str(caught.value) for name in DATA_SETS)


def test_every_data_set_says_what_may_be_done_with_it() -> None:
    for name, entry in DATA_SETS.items():
        assert entry.name == name
        assert entry.licence
        assert set(entry.languages) <= set(LANGUAGES)
        assert entry.ships in ("yes", "weights", "no")

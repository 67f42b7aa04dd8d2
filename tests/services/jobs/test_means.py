import lzma
from dataclasses import replace
from pathlib import Path

import pytest

from rondo_services.errors import InvalidInput
from rondo_services.jobs.inputs import identity_of
from rondo_services.jobs.items import Item
from rondo_services.jobs.means import KEPT, items_of, records_of
from rondo_services.jobs.spec import JobInput, JobSpec
from rondo_services.jobs.types import Job


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "texts.txt").write_text("One.\nTwo.\n", encoding="utf-8")
    source = JobInput(source=str(tmp_path / "texts.txt"))
    spec = JobSpec(service="sentiment", input=source)
    return Job("job", "job", "", spec.model_dump(), "", "running", 0.0, metadata={"identity": identity_of(source)})


def test_items_are_those_of_the_source(job: Job) -> None:
    assert list(items_of(job)) == [Item(0, 1, "One."), Item(1, 2, "Two.")]


def test_a_source_that_has_changed_is_refused(job: Job) -> None:
    Path(job.spec["input"]["source"]).write_text("One more.\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"texts\.txt has changed since the job began"):
        items_of(job)
    assert list(items_of(replace(job, metadata={}))) == [Item(0, 1, "One more.")]


def test_a_source_that_changes_while_it_is_read_is_refused(job: Job) -> None:
    """It was only looked at before the first record."""
    items = iter(items_of(job))
    assert next(items) == Item(0, 1, "One.")
    Path(job.spec["input"]["source"]).write_text("One more.\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"texts\.txt has changed since the job began"):
        list(items)


def test_standard_input_is_read_from_where_it_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b'{"text": "One."}\n')
    spec = JobSpec(service="sentiment", input=JobInput(source="-", format="jsonl"))
    job = Job("job", "job", "", spec.model_dump(), "", "running", 0.0, metadata={KEPT: str(path)})
    assert list(items_of(job)) == [Item(0, 1, "One.")]
    path.write_bytes(lzma.compress(b'{"text": "One."}\n')[:-8])
    with pytest.raises(InvalidInput, match=r"^standard input, after line"):
        list(items_of(job))


def test_named_data_sets_are_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RONDO_DATA", str(tmp_path))
    (tmp_path / "nsmc").mkdir()
    content = lzma.compress("id\tdocument\tlabel\n1\t정말 좋다\t1\n".encode())
    (tmp_path / "nsmc" / "ratings_test.txt.xz").write_bytes(content)
    (item,) = records_of(JobInput(source="data:nsmc/test"))
    assert isinstance(item, Item)
    assert (item.text, item.expected, item.language) == ("정말 좋다", ("positive",), "ko")

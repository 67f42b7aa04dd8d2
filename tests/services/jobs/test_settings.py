from pathlib import Path

import pytest

from rondo_services.jobs.files import StateFiles
from rondo_services.jobs.settings import JobPlace, WorkerSettings
from rondo_services.jobs.store import JobStore


@pytest.mark.parametrize("name", ["a", "w?1", "50% of it", "a%20b", "no #1", "배"])
def test_all_is_in_the_folder_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    """A question mark ended the path of the database, which was made beside the folder."""
    folder = tmp_path / name
    place = JobPlace.in_folder(folder)
    with JobStore(place.database_url) as store:
        store.add_job("job", "", {}, "bundle")
    StateFiles(place.files_url).write("a", b"")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert {"jobs.sqlite", "files"} <= {path.name for path in folder.iterdir()}


def test_settings_go_to_another_process_as_plain_values(tmp_path: Path) -> None:
    settings = WorkerSettings(JobPlace.in_folder(tmp_path), tmp_path, precision="float32").for_job("job", "name")
    assert WorkerSettings.of(settings.values()) == settings

"""What is refused before anything is started; that it runs is in `tests/deploy/ray`."""

from pathlib import Path

import pytest

pytest.importorskip("ray.serve", reason="Ray is not installed")

from rondo_models.manifest import BundleError
from rondo_services.errors import InvalidInput
from rondo_services.on_ray.app import rondo
from rondo_services.on_ray.arguments import RondoArguments


def test_without_the_bundle_nothing_is_started(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        rondo(RondoArguments(bundle=tmp_path / "nowhere"))


def test_a_service_that_the_bundle_lacks_is_told(bundle_folder: Path) -> None:
    with pytest.raises(InvalidInput, match="unknown service weather"):
        rondo(RondoArguments(bundle=bundle_folder, services="sentiment,weather"))


def test_the_example_has_only_what_there_is() -> None:
    yaml = pytest.importorskip("yaml")
    (application,) = yaml.safe_load((Path(__file__).parents[3] / "deploy" / "ray" / "serve.yaml").read_text())[
        "applications"
    ]
    assert application["import_path"] == f"{rondo.__module__}:{rondo.__name__}"
    given = RondoArguments.model_validate(application["args"])
    fields = {name: getattr(given, name) for name in RondoArguments.model_fields if name != "host"}
    assert fields == {name: getattr(RondoArguments(), name) for name in fields}

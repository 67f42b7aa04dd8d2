"""The arguments of the application."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from rondo_services.on_ray.arguments import RondoArguments


@pytest.fixture(autouse=True)
def _no_variables(without_variables: None) -> None:
    pass


def test_settings_are_those_of_the_server() -> None:
    arguments = RondoArguments(bundle=Path("here"), services="sentiment", settings={"max_waiting": 7, "state_key": "k"})
    settings = arguments.server_settings()
    assert (settings.bundle, settings.services, settings.max_waiting) == (Path("here"), "sentiment", 7)
    assert settings.state_key.get_secret_value() == "k"


def test_all_ingresses_have_one_key_for_states() -> None:
    keys = [RondoArguments().server_settings().state_key.get_secret_value() for _ in range(2)]
    assert [len(key) for key in keys] == [64, 64]
    assert keys[0] != keys[1]


def test_several_bundles_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RONDO_BUNDLES", "other=somewhere")
    with pytest.raises(ValidationError, match="serves one bundle"):
        RondoArguments()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"replicas": 2}, "Extra inputs are not permitted"),
        ({"min_replicas": 5}, "max_replicas is 4, less than min_replicas, 5"),
        ({"settings": {"max_wating": 7}}, r"settings: unknown max_wating; choose among .*max_waiting"),
        ({"settings": {"bundle": "x"}}, "settings: unknown bundle"),
        ({"settings": {"max_waiting": 0}}, "greater than or equal to 1"),
        ({"port": 0}, "greater than or equal to 1"),
        ({"num_cpus": float("inf")}, "finite"),
    ],
)
def test_what_can_not_be_is_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        RondoArguments.model_validate(given)

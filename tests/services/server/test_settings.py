"""Settings have defaults, are taken from the environment, and wrong ones are refused."""

import asyncio
import pwd
from pathlib import Path

import pytest
from pydantic import ValidationError

from rondo_models.bundle import Bundle, save_bundle
from rondo_services.errors import InvalidInput
from rondo_services.server.metrics import ServerMetrics
from rondo_services.server.served_bundles import launcher, start_fleet
from rondo_services.server.settings import DEFAULT_BUNDLE, STATE_OF_SERVICES, ServerSettings

pytestmark = pytest.mark.usefixtures("without_variables")


def test_defaults() -> None:
    settings = ServerSettings()
    assert settings.bundle.name == DEFAULT_BUNDLE
    assert settings.services == ""
    assert settings.threads == 1


def test_state_of_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container whose user the system has no entry of, everything that reads settings ended with a traceback."""

    def no_entry(number: int) -> None:
        raise KeyError(number)

    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    assert ServerSettings().state_dir == STATE_OF_SERVICES


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in ServerSettings.model_fields.values())


def test_variables_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RONDO_BUNDLE", "/somewhere/else")
    monkeypatch.setenv("RONDO_MAX_WAITING", "7")
    monkeypatch.setenv("RONDO_TIMEOUT_S", "0.5")
    settings = ServerSettings()
    assert settings.bundle == Path("/somewhere/else")
    assert (settings.max_waiting, settings.timeout_s) == (7, 0.5)


def test_an_argument_is_stronger_than_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RONDO_SERVICES", "sentiment")
    assert ServerSettings(services="translation").services == "translation"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_waiting", "0"),
        ("max_waiting", "many"),
        ("max_waiting_tokens", "0"),
        ("max_text_tokens", "0"),
        ("tokens_per_cut", "-1"),
        ("max_rows", "15"),
        ("threads", "0"),
        ("timeout_s", "0"),
        ("timeout_s", "nan"),
        ("timeout_s", "inf"),
        ("start_timeout_s", "0"),
        ("grace_s", "-1"),
        ("grace_s", "inf"),
        ("max_wait_ms", "-1"),
        ("max_wait_ms", "inf"),
        ("max_body_bytes", "0"),
    ],
)
def test_values_out_of_range_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """An infinite grace period once ended the start with a traceback."""
    monkeypatch.setenv(f"RONDO_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        ServerSettings()


@pytest.mark.parametrize("engine", ["process", "inprocess"])
def test_only_the_services_asked_for_are_loaded(bundle: Bundle, tmp_path: Path, engine: str) -> None:
    save_bundle(tmp_path, bundle.manifest, bundle.model, bundle.tokenizer, "")

    async def served(services: str) -> list[str]:
        settings = ServerSettings(bundle=tmp_path, services=services, engine=engine)
        fleet = await start_fleet(settings, launcher(settings, ServerMetrics(), gently=False))
        await fleet.default.current.suite.engine.stop(1.0)
        return fleet.services

    assert asyncio.run(served(" translation , sentiment,")) == ["sentiment", "translation"]
    with pytest.raises(InvalidInput, match="unknown service poetry; choose among sentiment, generation"):
        asyncio.run(served("sentiment, poetry"))

"""The example file holds every setting, and what it calls a default is one."""

import re
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from rondo_services.server.configuration import read_configuration
from rondo_services.server.settings import ServerSettings

pytestmark = pytest.mark.usefixtures("without_variables")

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "deploy" / "rondo.example.toml"
SHOWN_BY_EXAMPLE = {
    *(
        "bundle",
        "bundle_name",
        "bundles",
        "bundles_dir",
        "services",
        "state_dir",
        "open_to_all",
        "cors_origins",
        "ssl_certfile",
        "ssl_keyfile",
    ),
    *("ssl_keyfile_password", "state_key", "database_url", "files_url", "data", "access_log"),
}
"""Those whose default would show nothing."""


def test_it_is_read_as_it_stands() -> None:
    configuration = read_configuration(config=EXAMPLE)
    assert configuration.settings.access_log == "json"
    assert set(configuration.origins) == {"config", "access_log"}


def test_each_line_holds_a_setting(tmp_path: Path) -> None:
    whole = tmp_path / "rondo.toml"
    whole.write_text(re.sub(r"(?m)^#(?=[a-z])", "", EXAMPLE.read_text()))
    configuration = read_configuration(config=whole)
    assert set(configuration.origins) == set(ServerSettings.model_fields)
    assert configuration.settings.data == tmp_path / "data"
    for name, field in ServerSettings.model_fields.items():
        if name not in SHOWN_BY_EXAMPLE | {"config"}:
            assert field.default is not PydanticUndefined
            assert getattr(configuration.settings, name) == field.default, name


def test_the_documentation_names_each_variable() -> None:
    documented = "".join((ROOT / "docs" / name).read_text() for name in ("serving.md", "access.md"))
    missing = [name for name in ServerSettings.model_fields if f"`RONDO_{name.upper()}`" not in documented]
    assert missing == []

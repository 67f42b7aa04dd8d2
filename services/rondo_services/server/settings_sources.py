"""Where settings come from besides flags: the environment, and a file that is stronger than it.

Each source refuses a name that is no setting, since one that is misspelt would go unheeded.
"""

import os
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, TomlConfigSettingsSource

from .kubernetes_variables import is_of_kubernetes

PREFIX = "RONDO_"
OF_CLIENTS = ("RONDO_SERVER", "RONDO_API_KEY", "RONDO_REGISTRY_USERNAME", "RONDO_REGISTRY_PASSWORD")
"""Variables that other commands read, which may be set where a server is started."""
WITHOUT_PREFIX = {"host": "HOST", "port": "PORT"}
"""Settings that have a second, weaker variable, as `make serve` and many platforms set it."""


class SettingsError(ValueError):
    """A setting is unknown or has a value that can't be; the message names where it was set."""


class EnvironmentSource(EnvSettingsSource):
    """RONDO_ and a setting's name in capitals. An empty variable counts as one that is not set.

    Raises:
        SettingsError: a variable is like ours and is none.
    """

    def __call__(self) -> dict[str, Any]:
        known = {variable_of(name) for name in self.settings_cls.model_fields}
        ours = {name: value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}
        for name, value in ours.items():
            if name.upper() not in known | set(OF_CLIENTS) and not is_of_kubernetes(name, value):
                raise SettingsError(f"environment: {_unknown(name, [*known, *OF_CLIENTS])}")
        values = {name: value for name, value in super().__call__().items() if not self._is_foreign(name)}
        for name, variable in WITHOUT_PREFIX.items():
            if name in self.settings_cls.model_fields and name not in values and os.environ.get(variable):
                values[name] = os.environ[variable]
        return values

    def _is_foreign(self, name: str) -> bool:
        variable = variable_of(name)
        return is_of_kubernetes(variable, self.env_vars.get(variable.lower()) or "")

    def origin(self, name: str) -> str:
        """What set a setting that is from here."""
        short = WITHOUT_PREFIX.get(name)
        long_is_set = self.env_vars.get(variable_of(name).lower()) and not self._is_foreign(name)
        return f"environment {short if short is not None and not long_is_set else variable_of(name)}"


class FileSource(TomlConfigSettingsSource):
    """Settings by their names in a TOML file, without tables. Relative paths in it start at its folder.

    Args:
        path: None for no file.

    Raises:
        FileNotFoundError: it is not there.
        SettingsError: it is no TOML, or has a key that is no setting.
    """

    def __init__(self, settings_cls: type[BaseSettings], path: Path | None) -> None:
        self.path = path
        if path is not None and not path.is_file():
            raise FileNotFoundError(f"{path} is no file; settings were to be read from it (--config, {PREFIX}CONFIG)")
        super().__init__(settings_cls, path)

    def _read_file(self, path: Any) -> dict[str, Any]:
        try:
            return super()._read_file(path)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"file {path} is no TOML: {error}") from error

    def __call__(self) -> dict[str, Any]:
        if self.path is None:
            return {}
        fields, folder = self.settings_cls.model_fields, self.path.absolute().parent
        settable = [name for name in fields if name != "config"]
        for name, value in self.toml_data.items():
            if name == "config":
                raise SettingsError(f"file {self.path}: config can't be set here, as a file names no other")
            if name not in settable:
                table = "; settings stand in no table" if isinstance(value, dict) else ""
                raise SettingsError(f"file {self.path}: {_unknown(name, settable)}{table}")
        return {
            name: self._from_folder(folder, name, value) if _names_paths(fields[name].annotation) else value
            for name, value in self.toml_data.items()
        }

    def _from_folder(self, folder: Path, name: str, value: Any) -> Any:
        try:
            return _from_folder(folder, value)
        except ValueError as error:
            raise SettingsError(f"file {self.path}: {name}: {error}") from error

    def origin(self, name: str) -> str:
        """What set a setting that is from here."""
        return f"file {self.path}"


class FlagSource(PydanticBaseSettingsSource):
    """What was given on the command line."""

    def __init__(self, settings_cls: type[BaseSettings], values: Mapping[str, Any]) -> None:
        super().__init__(settings_cls)
        self.values = {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """One value, as the base class asks for it."""
        return self.values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        if unknown := [name for name in self.values if name not in self.settings_cls.model_fields]:
            raise SettingsError(f"flags: {_unknown(unknown[0], self.settings_cls.model_fields)}")
        return self.values

    def origin(self, name: str) -> str:
        """What set a setting that is from here."""
        return "flag"


SettingsSource = FlagSource | FileSource | EnvironmentSource


def settings_sources(settings_cls: type[BaseSettings], flags: Mapping[str, Any]) -> tuple[SettingsSource, ...]:
    """All of them, the strongest first. The file is the one that `config` names, in the flags or the environment.

    Raises:
        FileNotFoundError, SettingsError: as the sources say.
    """
    given, environment = FlagSource(settings_cls, flags), EnvironmentSource(settings_cls)
    config = given().get("config") or environment().get("config")
    return given, FileSource(settings_cls, _config_path(config) if config else None), environment


def _config_path(path: Any) -> Path:
    try:
        return from_home(Path(path))
    except ValueError as error:
        raise SettingsError(f"config: {error}") from error


def from_home(path: Path) -> Path:
    """The path, with the home that a ~ at its beginning stands for.

    Raises:
        ValueError: there is no such home.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"there is no home for the ~ of {str(path)!r}; give a path that begins with /") from error


def variable_of(name: str) -> str:
    """The variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def _unknown(name: str, known: Iterable[str]) -> str:
    candidates = sorted(known)
    alike = "_".join(name.replace("-", "_").split())
    in_case = alike.upper() if name.upper().startswith(PREFIX) else alike.lower()
    near = get_close_matches(in_case, candidates, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(candidates)}"
    return f"{name} is no setting; {hint}"


def _names_paths(annotation: Any) -> bool:
    return annotation is Path or any(_names_paths(part) for part in get_args(annotation))


def _from_folder(folder: Path, value: Any) -> Any:
    """The value with each path in it from the folder; what is no text is left to be refused."""
    if isinstance(value, str):
        return folder / from_home(Path(value)) if value else value
    if isinstance(value, list):
        return [_from_folder(folder, part) for part in value]
    if isinstance(value, dict):
        return {name: _from_folder(folder, part) for name, part in value.items()}
    return value

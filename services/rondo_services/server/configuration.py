"""The settings together with where each value came from, and what is wrong with them in a user's words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr, ValidationError

from .settings import ServerSettings
from .settings_sources import SettingsError, settings_sources

DEFAULT = "default"
HIDDEN = "**********"
_URLS = ("database_url", "files_url")
_PASSWORD = re.compile(r"^([^:/?#]+://[^:/?#@]*:).*@", re.DOTALL)
"""Up to the last @, since a password may hold what it should not."""
_SECRET_PARAMETER = re.compile(r"([?&;][^=&;]*(?:password|secret|token|key)[^=&;]*=)[^&;]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings that hold.

    Attributes:
        origins: of a setting, all that set it, the strongest first; a setting that has its default is not in it.
    """

    settings: ServerSettings
    origins: Mapping[str, tuple[str, ...]]

    def origin(self, name: str) -> str:
        """What set a setting."""
        return self.origins.get(name, (DEFAULT,))[0]

    def shown(self, name: str) -> Any:
        """A setting's value as it may be shown to anybody: a secret that is set is only told to be."""
        value = getattr(self.settings, name)
        if isinstance(value, SecretStr):
            return HIDDEN if value.get_secret_value() else ""
        if name in _URLS:
            return without_secrets(value)
        return value


def read_configuration(**flags: Any) -> Configuration:
    """The settings from the environment, from the file that `config` or RONDO_CONFIG names, and from flags.

    Each is stronger than those before it. A flag that is None was not given.

    Raises:
        FileNotFoundError: there is no such file.
        SettingsError: a name is unknown or a value can't be.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    origins: dict[str, tuple[str, ...]] = {}
    for source in settings_sources(ServerSettings, given):
        for name in source():
            origins[name] = (*origins.get(name, ()), source.origin(name))
    try:
        return Configuration(ServerSettings(**given), origins)
    except ValidationError as error:
        raise SettingsError("; ".join(_told(one, origins) for one in error.errors())) from error


def _told(error: Mapping[str, Any], origins: Mapping[str, tuple[str, ...]]) -> str:
    name = str(error["loc"][0])
    message = str(error["msg"]).removeprefix("Value error, ")
    value = error["input"]
    was = "" if _is_secret(name) or f"{value!r}" in message else f", not {value!r}"
    return f"{origins[name][0]}: {name}: {message[0].lower()}{message[1:]}{was}"


def _is_secret(name: str) -> bool:
    return name in _URLS or ServerSettings.model_fields[name].annotation is SecretStr


def without_secrets(url: str) -> str:
    """A URL without the password and the like that it may hold, however badly it is written."""
    return _SECRET_PARAMETER.sub(rf"\1{HIDDEN}", _PASSWORD.sub(rf"\1{HIDDEN}@", url))

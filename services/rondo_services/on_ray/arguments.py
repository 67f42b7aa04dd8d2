"""The arguments of the application, as `args` in a Serve config."""

import secrets
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from ..server.settings import ServerSettings

_OWN = ("bundle", "bundles", "bundles_dir", "services", "engine", "host", "port")
"""Settings of a server that are arguments here, or have no meaning."""


class RondoArguments(BaseModel):
    """How much of what is to run where."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    bundle: Path | None = Field(
        None, description="Folder of the bundle, the same on all nodes; by default the one that comes with Rondo."
    )
    services: str = Field("", description="Services to offer, separated by commas; empty: all in the bundle.")
    min_replicas: int = Field(1, ge=1, description="Engines that are always there.")
    max_replicas: int = Field(4, ge=1, description="Engines that there may be.")
    target_ongoing_requests: float = Field(
        64.0, gt=0, description="Requests that an engine is to have on average; more engines are started above that."
    )
    upscale_delay_s: float = Field(10.0, ge=0, description="How long there must be too few engines.")
    downscale_delay_s: float = Field(300.0, ge=0, description="How long there must be too many.")
    num_cpus: float = Field(1.0, gt=0, description="Processors of an engine; it runs settings.threads threads.")
    ingress_replicas: int = Field(1, ge=1, description="Ingresses: each answers HTTP on one processor.")
    ingress_num_cpus: float = Field(1.0, gt=0, description="Processors that Ray keeps for an ingress.")
    host: str = Field(
        "0.0.0.0",
        description="Address at which others reach the services; unless it is a loopback one, keys are asked for.",
    )
    port: int | None = Field(
        None,
        ge=1,
        le=65_535,
        description="Where each node with an ingress listens besides Serve's proxy, without its detour.",
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="Others of the server: docs/serving.md, in lower case and without RONDO_."
    )

    @model_validator(mode="after")
    def _check(self) -> "RondoArguments":
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas is {self.max_replicas}, less than min_replicas, {self.min_replicas}")
        names = sorted(set(ServerSettings.model_fields) - set(_OWN))
        if unknown := sorted(set(self.settings) - set(names)):
            raise ValueError(f"settings: unknown {', '.join(unknown)}; choose among {', '.join(names)}")
        self.server_settings()
        return self

    def server_settings(self) -> ServerSettings:
        """Those of the ingresses and engines; where nothing is given, from this process's file and variables.

        States go from one ingress to another, so all have the same key.
        """
        given: dict[str, Any] = {**self.settings, "engine": "process", "host": self.host}
        if self.bundle is not None:
            given["bundle"] = self.bundle
        if self.services:
            given["services"] = self.services
        settings = ServerSettings(**given)
        if settings.bundles:
            raise ValueError("one application on Ray serves one bundle: deploy one for each, without RONDO_BUNDLES")
        if settings.state_key.get_secret_value():
            return settings
        return settings.model_copy(update={"state_key": SecretStr(secrets.token_hex(32))})

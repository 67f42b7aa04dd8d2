"""Replies of the operations that belong to no service. Knows no framework, so that a client can read them."""

from typing import Literal

from pydantic import BaseModel, Field

from ..schema import Schema


class ReleaseCard(BaseModel):
    """A release of a bundle, and the share of the requests that it gets."""

    hash: str
    version: str
    share: float


class ModelCard(BaseModel):
    """One service of a bundle."""

    id: str
    object: str = "model"
    created: int
    owned_by: str = "rondo"
    languages: list[str]
    releases: list[ReleaseCard] = []


class ModelList(BaseModel):
    """All services."""

    object: str = "list"
    data: list[ModelCard]


class Health(BaseModel):
    """State of the server."""

    status: str


ReleaseState = Literal["serving", "draining"]


class ReleaseReply(BaseModel):
    """A bundle with an engine of its own."""

    hash: str = Field(description="Fingerprint of the bundle; the first 12 digits are in X-Rondo-Bundle.")
    version: str
    folder: str
    state: ReleaseState = Field(description="draining: it only finishes the requests that it has in hand.")
    is_canary: bool
    share: float = Field(description="Of the requests that ask for no certain release.")
    num_requests: int = Field(description="In hand now.")
    is_alive: bool = Field(description="Whether its engine answers.")


class FormerRelease(BaseModel):
    """To which a roll-back leads."""

    hash: str
    version: str
    folder: str


class BundleReply(BaseModel):
    """A served name; its first release is the current one."""

    name: str
    folder: str = Field(description="That is read anew by default.")
    state: Literal["loading", "serving"] = Field(description="loading: another release is being made ready.")
    services: list[str]
    releases: list[ReleaseReply]
    former: FormerRelease | None


class BundleList(BaseModel):
    """All served names; the first one is the default."""

    data: list[BundleReply]


class ChangeReply(BaseModel):
    """What was done; unchanged: the folder has the bundle that is served already."""

    change: Literal["reload", "canary", "promote", "rollback", "unchanged"]
    bundle: BundleReply


class ReloadRequest(Schema):
    """Which bundle, and for whom."""

    path: str | None = Field(
        None, min_length=1, max_length=4096, description="Folder, below RONDO_BUNDLES_DIR; default: what is served."
    )
    canary: float | None = Field(None, gt=0, lt=1, description="Share of the requests; default: all.")


class CanaryRequest(Schema):
    """How much the canary gets."""

    share: float = Field(gt=0, lt=1, description="Of the requests that ask for no certain release.")

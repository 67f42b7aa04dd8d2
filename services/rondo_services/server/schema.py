"""Replies of the operations that belong to no service. Knows no framework, so that a client can read them."""

from pydantic import BaseModel


class ModelCard(BaseModel):
    """One service of a bundle."""

    id: str
    object: str = "model"
    created: int
    owned_by: str = "rondo"
    languages: list[str]


class ModelList(BaseModel):
    """All services."""

    object: str = "list"
    data: list[ModelCard]


class Health(BaseModel):
    """State of the server."""

    status: str

"""OpenAPI descriptions of requests that may come in several types."""

from typing import Any

from pydantic import BaseModel

from .fields import JSON, MULTIPART, URL_ENCODED


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """A body that is sent as JSON or as either kind of form."""
    schema = {"schema": model.model_json_schema()}
    return {"requestBody": {"required": True, "content": {JSON: schema, URL_ENCODED: schema, MULTIPART: schema}}}


def upload_of(model: type[BaseModel]) -> dict[str, Any]:
    """A form with a file."""
    schema = model.model_json_schema()
    schema["properties"] = {"file": {"type": "string", "format": "binary"}, **schema["properties"]}
    schema["required"] = ["file", *schema["required"]]
    return {"requestBody": {"required": True, "content": {MULTIPART: {"schema": schema}}}}

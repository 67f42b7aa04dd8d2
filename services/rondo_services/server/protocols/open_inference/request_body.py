"""The OpenAPI description of bodies that a route reads itself, since its clients declare no content type."""

from typing import Any

from pydantic import BaseModel


def described_body(model: type[BaseModel], *, required: bool) -> dict[str, Any]:
    """What a route's `openapi_extra` has to be for a JSON body of this form."""
    schema = model.model_json_schema()
    inlined = _without_references(schema, schema.pop("$defs", {}))
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": inlined}}}}


def _without_references(value: Any, definitions: dict[str, Any]) -> Any:
    """References would lead to the whole document's definitions, which do not have these; none is recursive."""
    if isinstance(value, list):
        return [_without_references(item, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _without_references(definitions[value["$ref"].rpartition("/")[2]], definitions)
    return {key: _without_references(item, definitions) for key, item in value.items()}

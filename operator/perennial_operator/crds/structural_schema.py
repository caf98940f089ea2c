"""A pydantic value as the structural schema of a CustomResourceDefinition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perennial_operator.core.api.values import Value

KEYWORDS = {
    "description", "default", "enum", "format", "items", "maxItems", "maxLength", "maxProperties", "maximum",
    "minItems", "minLength", "minProperties", "minimum", "exclusiveMaximum", "exclusiveMinimum",
    "properties", "required", "type", "additionalProperties",
}  # fmt: skip
INT_OR_STRING_KEYWORDS = {"description", "default", "maxLength"}


def to_structural_schema(value: type[Value]) -> dict[str, Any]:
    """The schema of a field of this type in a CustomResourceDefinition."""
    document = value.model_json_schema(by_alias=True, mode="validation")
    return structural(document, document.get("$defs", {}))


def structural(node: Mapping[str, Any], defs: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema in the form that Kubernetes accepts: no references, no unions, exclusive limits as flags."""
    node = dereferenced(node, defs)
    if node.get("x-kubernetes-int-or-string"):
        return {k: v for k, v in node.items() if k in INT_OR_STRING_KEYWORDS or k.startswith("x-kubernetes-")}
    schema = {k: v for k, v in node.items() if k in KEYWORDS or k.startswith("x-kubernetes-")}
    for limit in ("Minimum", "Maximum"):
        exclusive = schema.pop(f"exclusive{limit}", None)
        if exclusive is not None:
            schema |= {limit.lower(): exclusive, f"exclusive{limit}": True}
    if "default" in schema:
        schema["default"] = without_none(schema["default"])
        if schema["default"] is None:
            del schema["default"]
    if "properties" in schema:
        schema["properties"] = {name: structural(child, defs) for name, child in schema["properties"].items()}
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), Mapping):
            schema[inner] = structural(schema[inner], defs)
        elif schema.get(inner) is True:
            del schema[inner]
    return schema


def without_none(value: Any) -> Any:
    """The default without the fields that are None: a Kubernetes schema allows no null there."""
    if isinstance(value, Mapping):
        return {k: without_none(v) for k, v in value.items() if v is not None}
    return value


def dereferenced(node: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The node with references followed and `X or null` taken as X; the node's own keywords win."""
    while "$ref" in node or ("anyOf" in node and not node.get("x-kubernetes-int-or-string")):
        if "$ref" in node:
            inner = defs[node["$ref"].rsplit("/", 1)[1]]
        else:
            inner = next(option for option in node["anyOf"] if option.get("type") != "null")
        node = {**inner, **{k: v for k, v in node.items() if k not in ("$ref", "anyOf")}}
    return node

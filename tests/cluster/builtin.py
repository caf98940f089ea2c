"""What the built-in kinds look like: Kubernetes' published schemas, with the additions of `builtin.yaml`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from tests.yaml_text import load

VERSION = "v1.36.0"
TABLE: dict[str, Any] = load((Path(__file__).parent / "builtin.yaml").read_text())
PREFIX = "#/$defs/"
RULES = "x-kubernetes-validations"
OMIT_EMPTY = "x-omit-empty"  # Go does not store empty lists and maps

SHORT_NAMES = ("Namespace", "Service", "Job")

_OPAQUE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
# Types that Go marshals in its own way; the published definitions describe them only in words.
_SPECIAL: dict[str, dict[str, Any]] = {
    "Quantity": {"x-kubernetes-int-or-string": True, "x-quantity": True},
    "IntOrString": {"x-kubernetes-int-or-string": True},
    "FieldsV1": _OPAQUE,
    "RawExtension": _OPAQUE,
    "JSON": {"x-kubernetes-preserve-unknown-fields": True},
    "JSONSchemaProps": _OPAQUE,  # recursive; its own rules are checked when the definition is served
}


@cache
def definitions() -> dict[str, Any]:
    """Kubernetes' OpenAPI definitions by name, as the package kubernetes-validate ships them."""
    source = files("kubernetes_validate") / "kubernetes-json-schema" / f"{VERSION}-local" / "_definitions.json"
    result: dict[str, Any] = orjson.loads(source.read_bytes())["$defs"]
    return result


@cache
def _names() -> dict[tuple[str, str, str], str]:
    return {
        (known["group"], known["version"], known["kind"]): name
        for name, definition in definitions().items()
        for known in definition.get("x-kubernetes-group-version-kind", ())
    }


def schema(group: str, version: str, kind: str) -> dict[str, Any]:
    """The structural schema of a built-in kind, references resolved; shared parts are the same objects."""
    result = _definition(_names()[group, version, kind])
    return result if group == "rbac.authorization.k8s.io" else named(result, short=kind in SHORT_NAMES)


def named(schema: dict[str, Any], *, short: bool = False) -> dict[str, Any]:
    """The schema with the rules for the object's name."""
    rules = TABLE["names"]
    wanted = [rules["short"]] if short else [rules["subdomain"], rules["long"]]
    return {**schema, RULES: [*schema.get(RULES, ()), *wanted]}


@cache
def _definition(name: str) -> dict[str, Any]:
    short = name.rpartition(".")[2]
    if short in _SPECIAL:
        return _SPECIAL[short]
    result = _structural(definitions()[name])
    for field, default in TABLE["defaults"].get(short, {}).items():
        result["properties"][field] = {**result["properties"][field], "default": default}
    if rules := TABLE["rules"].get(short):
        result[RULES] = rules
    return result


def _structural(node: dict[str, Any]) -> dict[str, Any]:
    """A published node as a structural one: references resolved, `null` no type: a null field is a missing one."""
    if "$ref" in node:
        extra = {key: value for key, value in node.items() if key != "$ref"}
        return {**_definition(node["$ref"].removeprefix(PREFIX)), **extra}
    result = dict(node)
    result.pop("enum", None)
    if isinstance(node.get("type"), list):
        result["type"] = node["type"][0]
    if "properties" in node:
        result["properties"] = {key: _structural(value) for key, value in node["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            result[key] = _structural(node[key])
            result[OMIT_EMPTY] = True
    return result


TYPE_AND_METADATA = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": _definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
}

"""When a CustomResourceDefinition may be served, and what its status then says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubectl_perennial.admission import cel
from kubectl_perennial.admission.causes import Cause
from kubectl_perennial.admission.rules import RULES
from kubectl_perennial.admission.schema import PRESERVE, Schema
from kubectl_perennial.admission.validation import faults as value_faults
from tests.cluster.store import Object


def faults(definition: Object) -> list[Cause]:
    """What is wrong with the schemas of the definition and their rules."""
    result = []
    for index, version in enumerate(definition["spec"]["versions"]):
        place = "validation" if len(definition["spec"]["versions"]) == 1 else f"versions[{index}].schema"
        field = f"spec.{place}.openAPIV3Schema"
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is None:
            result.append(Cause(field, "FieldValueRequired", "Required value: schemas are required"))
        else:
            result.extend(_schema_faults(schema, field))
    return result


def _schema_faults(schema: Schema, field: str) -> Iterator[Cause]:
    if not (schema.get("type") or schema.get("x-kubernetes-int-or-string") or schema.get(PRESERVE)):
        yield Cause(
            f"{field}.type", "FieldValueRequired", "Required value: must not be empty for specified object fields"
        )
    if "default" in schema:
        for cause in value_faults(schema["default"], schema):
            yield Cause(f"{field}.default", cause.reason, cause.message)
    for index, rule in enumerate(schema.get(RULES) or ()):
        yield from _rule_faults(rule, f"{field}.{RULES}[{index}]")
    for key, below in (schema.get("properties") or {}).items():
        yield from _schema_faults(below, f"{field}.properties[{key}]")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _schema_faults(schema[key], f"{field}.{key}")


def _rule_faults(rule: dict[str, Any], field: str) -> Iterator[Cause]:
    for part in ("rule", "messageExpression"):
        if part in rule:
            try:
                cel.program(rule[part])
            except cel.RuleError as error:
                text = f"Invalid value: {rule[part]}: compilation failed: {error}"
                yield Cause(f"{field}.{part}", "FieldValueInvalid", text)


def established(definition: Object, now: str) -> Object:
    """The definition with the status of one that is served."""
    spec, old = definition["spec"], definition.get("status") or {}
    conditions = old.get("conditions") or [
        _condition("NamesAccepted", "NoConflicts", "no conflicts found", now),
        _condition("Established", "InitialNamesAccepted", "the initial names have been accepted", now),
    ]
    storage = next(version["name"] for version in spec["versions"] if version["storage"])
    versions = [name for name in old.get("storedVersions", []) if name != storage]
    status = {"acceptedNames": spec["names"], "conditions": conditions, "storedVersions": [*versions, storage]}
    return {**definition, "status": status}


def _condition(name: str, reason: str, message: str, now: str) -> dict[str, str]:
    return {"type": name, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now}

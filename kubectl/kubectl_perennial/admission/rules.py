"""Which of a schema's CEL rules an object breaks (x-kubernetes-validations)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from kubectl_perennial.admission import cel
from kubectl_perennial.admission.causes import Cause
from kubectl_perennial.admission.schema import Schema, child, dotted, item_step

RULES = "x-kubernetes-validations"
_NOTHING = object()

Path = tuple[str | int, ...]


def broken_rules(value: Any, old: Any, schema: Schema) -> list[Cause]:
    """One cause for each rule that does not hold; `old` is None for a new object, and transition rules then rest.

    What an update leaves as it was is not checked again, as on a server with CRDValidationRatcheting.
    """
    return list(_broken(value, _NOTHING if old is None else old, schema, ()))


def _broken(value: Any, old: Any, schema: Schema, path: Path) -> Iterator[Cause]:
    if value is None or value == old:
        return
    if rules := schema.get(RULES):
        now, before = cel.typed(value, schema), None if old is _NOTHING else cel.typed(old, schema)
        for rule in rules:
            if "oldSelf" not in rule["rule"] or old is not _NOTHING:
                yield from _broken_rule(rule, value, now, before, path)
    if isinstance(value, dict):
        for key, item in value.items():
            before = old.get(key, _NOTHING) if isinstance(old, dict) else _NOTHING
            yield from _broken(item, before, child(schema, key) or {}, (*path, key))
    elif isinstance(value, list):
        items = schema.get("items") or {}
        known = _by_key(old, schema)
        for index, item in enumerate(value):
            before = known.get(item_step(item, schema), _NOTHING) if known else _NOTHING
            yield from _broken(item, before, items, (*path, index))


def _by_key(old: Any, schema: Schema) -> dict[str, Any]:
    """The old items by key; only these are known to be the same ones."""
    if not isinstance(old, list) or schema.get("x-kubernetes-list-type") != "map":
        return {}
    return {item_step(item, schema): item for item in old}


def _broken_rule(rule: dict[str, Any], value: Any, now: Any, before: Any, path: Path) -> Iterator[Cause]:
    """`now` and `before` are as CEL sees them."""
    field = dotted(path) or "<nil>"
    shown = "" if isinstance(value, dict | list) else f"{orjson.dumps(value).decode()}: "
    try:
        if cel.evaluate(rule["rule"], now, before) is True:
            return
    except cel.RuleError as error:
        shown = shown or '"object": '
        yield Cause(field, "FieldValueInvalid", f"Invalid value: {shown}{error} evaluating rule: {rule['rule']}")
        return
    message = rule.get("message", f"failed rule: {rule['rule'].strip()}")
    if "messageExpression" in rule:
        message = str(cel.evaluate(rule["messageExpression"], now, before))
    below = rule.get("fieldPath", "")
    field = f"{dotted(path)}{below}".lstrip(".") if below else field
    reason = rule.get("reason", "FieldValueInvalid")
    text = {
        "FieldValueForbidden": f"Forbidden: {message}",
        "FieldValueRequired": f"Required value: {message}".removesuffix(": "),
        "FieldValueDuplicate": f"Duplicate value: {message}",
    }
    yield Cause(field, reason, text.get(reason, f"Invalid value: {shown}{message}"))

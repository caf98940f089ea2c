"""What is wrong with an object by its schema, said as Kubernetes says it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import jsonschema
import orjson
from jsonschema.exceptions import ValidationError

from kubectl_perennial.admission.causes import Cause
from kubectl_perennial.admission.schema import Schema, dotted, item_step

_BLOCKING = {
    "FieldValueRequired",
    "FieldValueTypeInvalid",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueNotSupported",
}

_LIMITS = {
    "minimum": "be greater than {equal}{limit}",
    "maximum": "be less than {equal}{limit}",
    "minLength": "be at least {limit} chars long",
    "pattern": "match '{limit}'",
    "minItems": "have at least {limit} items",
    "minProperties": "have at least {limit} properties",
}
_TYPES = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}


def faults(item: Any, schema: Schema) -> list[Cause]:
    """One cause for each violation, in no particular order."""
    validator = _Validator(schema)
    return [cause for error in validator.iter_errors(item) for cause in _causes(error)]


def rules_may_run(result: list[Cause]) -> bool:
    """CEL rules are only tried on what has the right form."""
    return not any(cause.reason in _BLOCKING for cause in result)


def _type(_: Any, wanted: str, value: Any, schema: Schema) -> Iterator[ValidationError]:
    if value is None and schema.get("nullable"):
        return
    result = _TYPES[type(value)]
    if result != wanted and not (wanted == "number" and result == "integer"):
        yield ValidationError(result)


def _int_or_string(_: Any, wanted: bool, value: Any, schema: Schema) -> Iterator[ValidationError]:
    if wanted and not schema.get("type") and _TYPES[type(value)] not in ("integer", "string"):
        yield ValidationError(_TYPES[type(value)])


def _list_type(_: Any, kind: str, value: Any, schema: Schema) -> Iterator[ValidationError]:
    if kind == "atomic" or not isinstance(value, list):
        return
    seen: set[str] = set()
    for index, item in enumerate(value):
        if kind == "map" and not isinstance(item, dict):
            continue
        step = item_step(item, schema)
        if step in seen:
            yield ValidationError(step[2:], path=(index,))
        seen.add(step)


def _enum(_: Any, allowed: list[Any], value: Any, schema: Schema) -> Iterator[ValidationError]:
    if value not in allowed and not (value is None and schema.get("nullable")):
        yield ValidationError("")


def _limit(name: str) -> Callable[..., Iterator[ValidationError]]:
    """Kubernetes compares an integer with the limit's whole part: 0 passes `minimum: 0.05`."""
    plain = jsonschema.Draft4Validator.VALIDATORS[name]
    return lambda validator, limit, value, schema: plain(
        validator, int(limit) if isinstance(value, int) else limit, value, schema
    )


def _format(_: Any, name: str, value: Any, _schema: Schema) -> Iterator[ValidationError]:
    try:
        if isinstance(value, str) and name == "date-time":
            datetime.fromisoformat(value)
    except ValueError as error:
        yield ValidationError(str(error))


_Validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft4Validator,
    {
        "type": _type,
        "enum": _enum,
        "format": _format,
        "minimum": _limit("minimum"),
        "maximum": _limit("maximum"),
        "x-kubernetes-int-or-string": _int_or_string,
        "x-kubernetes-list-type": _list_type,
    },
)


def _causes(error: ValidationError) -> Iterator[Cause]:
    field = dotted(tuple(error.absolute_path)) or "<nil>"
    limit: Any = error.validator_value
    value: Any = error.instance
    shown = orjson.dumps(value).decode()
    match error.validator:
        case "required":
            # jsonschema reports each missing field by itself, and names it only in the text
            missing = error.message.split("'")[1]
            yield Cause(dotted((*error.absolute_path, missing)), "FieldValueRequired", "Required value")
        case "type":
            yield _wrong_type(field, error.message, str(limit))
        case "x-kubernetes-int-or-string":
            yield _wrong_type(field, error.message, "integer,string")
        case "format":
            text = f"Invalid value: {shown}: {field} in body must be of type {limit}: {shown}"
            yield Cause(field, "FieldValueTypeInvalid", text)
        case "enum":
            values = ", ".join(orjson.dumps(one).decode() for one in limit)
            yield Cause(field, "FieldValueNotSupported", f"Unsupported value: {shown}: supported values: {values}")
        case "x-kubernetes-list-type":
            yield Cause(field, "FieldValueDuplicate", f"Duplicate value: {error.message}")
        case "maxLength":
            yield Cause(field, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")
        case "maxItems" | "maxProperties":
            yield Cause(field, "FieldValueTooMany", f"Too many: {len(value)}: must have at most {limit} items")
        case rule:
            size = len(value) if isinstance(value, list | dict) else shown
            strictly = isinstance(error.schema, Mapping) and error.schema.get(f"exclusive{str(rule).capitalize()}")
            text = _LIMITS.get(str(rule), "satisfy {limit}").format(
                limit=limit, equal="" if strictly else "or equal to "
            )
            yield Cause(field, "FieldValueInvalid", f"Invalid value: {size}: {field} in body should {text}")


def _wrong_type(field: str, result: str, wanted: str) -> Cause:
    text = f'Invalid value: "{result}": {field} in body must be of type {wanted}: "{result}"'
    return Cause(field, "FieldValueTypeInvalid", text)

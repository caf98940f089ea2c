"""Validation rules of the CRDs, written in CEL beside the fields that they check."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.config import JsonDict

CHECKED = "x-kubernetes-validations"


def rule(expression: str, message: str, *, message_expression: str = "", field_path: str = "") -> JsonDict:
    """A validation rule in CEL. `message_expression` is CEL too and can quote values; `field_path` is the field to blame."""
    return {
        "rule": expression,
        "message": message,
        **({"messageExpression": message_expression} if message_expression else {}),
        **({"fieldPath": field_path} if field_path else {}),
    }


def rules(*checked: JsonDict) -> ConfigDict:
    """The configuration of a value whose CRD schema carries these rules."""
    return ConfigDict(json_schema_extra={CHECKED: list(checked)})


def int_or_string(expression: str, message: str, **keywords: Any) -> Any:
    """The annotation of a number or a text for which the CEL expression must hold."""
    return Field(
        json_schema_extra={"x-kubernetes-int-or-string": True, **keywords, CHECKED: [rule(expression, message)]}
    )


def one_of(names: tuple[str, ...]) -> Iterable[Any]:
    """What makes a text in an Annotated one of these names."""

    def check(text: str) -> str:
        if text not in names:
            raise ValueError(f"give one of {', '.join(names)}")
        return text

    return AfterValidator(check), Field(json_schema_extra={"enum": list(names)})


def matching(pattern: str, message: str, longest: int, *more: JsonDict) -> Iterable[Any]:
    """Annotations of a string that must match the pattern; the API server and the operator give the same message."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(message)
        return text

    checked = [rule(f"self.matches(r'^({pattern})$')", message), *more]
    return AfterValidator(check), Field(max_length=longest, json_schema_extra={CHECKED: list(checked)})

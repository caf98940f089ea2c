"""How a rule that the API server checks is written beside the value it is about."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.config import JsonDict

CHECKED = "x-kubernetes-validations"


def rule(expression: str, message: str, *, told: str = "", at: str = "") -> JsonDict:
    """A rule in CEL. `told` is a CEL expression of the message, which can name values; `at` is the field at fault."""
    return {
        "rule": expression,
        "message": message,
        **({"messageExpression": told} if told else {}),
        **({"fieldPath": at} if at else {}),
    }


def rules(*checked: JsonDict) -> ConfigDict:
    """The configuration of a value whose CRD schema carries these rules."""
    return ConfigDict(json_schema_extra={CHECKED: list(checked)})


def one_of(names: tuple[str, ...]) -> Iterable[Any]:
    """What makes a text in an Annotated one of these names."""

    def check(text: str) -> str:
        if text not in names:
            raise ValueError(f"give one of {', '.join(names)}")
        return text

    return AfterValidator(check), Field(json_schema_extra={"enum": list(names)})


def matching(pattern: str, message: str, longest: int, *more: JsonDict) -> Iterable[Any]:
    """What makes a text in an Annotated match the pattern, with one message from the API server and from here."""
    asked = re.compile(pattern)

    def check(text: str) -> str:
        if not asked.fullmatch(text):
            raise ValueError(message)
        return text

    checked = [rule(f"self.matches(r'^({pattern})$')", message), *more]
    return AfterValidator(check), Field(max_length=longest, json_schema_extra={CHECKED: list(checked)})

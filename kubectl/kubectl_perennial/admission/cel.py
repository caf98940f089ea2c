"""What a rule in CEL says of a value: the language from Google's cel-cpp, Kubernetes' additions and types from here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped]
from cel_expr_python.ext.ext_bindings import ExtBindings  # type: ignore[import-untyped]
from cel_expr_python.ext.ext_math import ExtMath  # type: ignore[import-untyped]
from cel_expr_python.ext.ext_optional import ExtOptional  # type: ignore[import-untyped]
from cel_expr_python.ext.ext_strings import ExtStrings  # type: ignore[import-untyped]
from google.protobuf.timestamp_pb2 import Timestamp
from kubernetes.utils.quantity import parse_quantity

from kubectl_perennial.admission.schema import Schema, child

quantity: Callable[[str], Decimal] = parse_quantity

_RESERVED = re.compile(
    "true|false|null|in|as|break|const|continue|else|for|function|if|import|let|loop|package|namespace|return|var|void|while"
)


class RuleError(Exception):
    """The expression does not compile, or it cannot be evaluated for this value."""


def evaluate(rule: str, value: Any, old: Any = None) -> Any:
    """What the rule yields for values made by `typed`; RuleError says what is wrong."""
    result = program(rule).eval(data={"self": value, "oldSelf": old})
    if result.type() == cel.Type.ERROR:
        text = re.sub(r'^\w+: Key not found in map : "(.*)"$', r"no such key: \1", str(result.value()))
        raise RuleError(text)
    return result.value()


@cache
def program(rule: str) -> cel.Expression:
    try:
        return _environment().compile(rule)
    except RuntimeError as error:
        raise RuleError(str(error).removeprefix("INVALID_ARGUMENT: ").removesuffix(" [INVALID_ARGUMENT]")) from error


def typed(value: Any, schema: Schema) -> Any:
    """The value as CEL sees it through its schema: numbers are doubles, times are times, odd names are escaped."""
    if isinstance(value, dict):
        declared = schema.get("properties", {})
        return {
            _escaped(key) if key in declared else key: typed(item, child(schema, key) or {})
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [typed(item, schema.get("items") or {}) for item in value]
    if schema.get("type") == "number" and value is not None:
        return float(value)
    if schema.get("format") == "date-time" and isinstance(value, str):
        moment = Timestamp()
        moment.FromJsonString(value)
        return moment
    return value


@cache
def _escaped(name: str) -> str:
    if _RESERVED.fullmatch(name):
        return f"__{name}__"
    for sign, word in (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__")):
        name = name.replace(sign, word)
    return name


def _is_quantity(text: str) -> bool:
    try:
        quantity(text)
    except ValueError:
        return False
    return True


def _plain(items: Iterable[Any]) -> list[Any]:
    return [item.value() if isinstance(item, cel.Value) else item for item in items]


def _is_sorted(items: Sequence[Any]) -> bool:
    observed = _plain(items)
    return observed == sorted(observed)


@cache
def _environment() -> cel.Env:
    kind = cel.Type
    text, number, many, truth = kind.STRING, kind.DOUBLE, kind.LIST, kind.BOOL
    functions = [
        _function("quantity", [text], number, lambda amount: float(quantity(amount)), member=False),
        _function("isQuantity", [text], truth, _is_quantity, member=False),
        _function("isSorted", [many], truth, _is_sorted),
    ]
    extensions = [ExtBindings(), ExtMath(), ExtOptional(), ExtStrings()]
    return cel.NewEnv(variables={"self": kind.DYN, "oldSelf": kind.DYN}, extensions=extensions, functions=functions)


def _function(
    name: str, parameters: list[cel.Type], result: cel.Type, implementation: Any, *, member: bool = True
) -> cel.FunctionDecl:
    overload = cel.Overload(f"kubernetes_{name}", result, parameters, member, implementation)
    return cel.FunctionDecl(name, [overload])

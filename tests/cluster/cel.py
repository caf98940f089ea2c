"""What a rule in CEL says of a value: the language from Google's cel-cpp, Kubernetes' additions and types from here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped]
from cel_expr_python.ext.ext_bindings import ExtBindings  # type: ignore[import-untyped]
from cel_expr_python.ext.ext_math import ExtMath  # type: ignore[import-untyped]
from cel_expr_python.ext.ext_optional import ExtOptional  # type: ignore[import-untyped]
from cel_expr_python.ext.ext_strings import ExtStrings  # type: ignore[import-untyped]
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from tests.cluster.schema import Schema, child

# `optionalOldSelf` makes oldSelf an optional value, which cannot be passed in: it is made inside the expression.
_OPTIONAL_OLD = "cel.bind(oldSelf, oldSelf == null ? optional.none() : optional.of(oldSelf), {})"
_RESERVED = re.compile(
    "true|false|null|in|as|break|const|continue|else|for|function|if|import|let|loop|package|namespace|return|var|void|while"
)
_UNITS = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
}
_GO_DURATION = re.compile(r"([+-])?((?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+|0)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class RuleError(Exception):
    """The expression does not compile, or it cannot be evaluated for this value."""


def evaluate(rule: str, value: Any, old: Any = None, *, optional_old: bool = False) -> Any:
    """What the rule yields for values made by `typed`; RuleError says what is wrong."""
    result = program(rule, optional_old=optional_old).eval(data={"self": value, "oldSelf": old})
    if result.type() == cel.Type.ERROR:
        text = re.sub(r'^\w+: Key not found in map : "(.*)"$', r"no such key: \1", str(result.value()))
        raise RuleError(text)
    return result.value()


@cache
def program(rule: str, *, optional_old: bool = False) -> cel.Expression:
    try:
        return _environment().compile(_OPTIONAL_OLD.format(rule) if optional_old else rule)
    except RuntimeError as error:
        raise RuleError(str(error).removeprefix("INVALID_ARGUMENT: ").removesuffix(" [INVALID_ARGUMENT]")) from error


def quantity(text: str) -> Decimal:
    """`1500m` → 1.5; ValueError if it is not an amount."""
    unit = next((unit for unit in sorted(_UNITS, reverse=True) if text.endswith(unit)), "")
    try:
        number = Decimal(text.removesuffix(unit))
    except InvalidOperation as error:
        raise ValueError(f"{text} is not an amount") from error
    if not number.is_finite():
        raise ValueError(f"{text} is not an amount")
    return number * _UNITS[unit]


def seconds(text: str) -> float:
    """`1h30m` → 5400.0, in Go's notation; ValueError if it is not a duration."""
    observed = _GO_DURATION.fullmatch(text)
    if not observed:
        raise ValueError(f"{text} is not a duration")
    parts = re.findall(r"([\d.]+)([a-zµ]+)", observed[2])
    return (-1 if observed[1] == "-" else 1) * sum(float(number) * _SECONDS[unit] for number, unit in parts)


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
    if schema.get("format") == "duration" and isinstance(value, str):
        return Duration(nanos=round(seconds(value) % 1 * 1e9), seconds=int(seconds(value) // 1))
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

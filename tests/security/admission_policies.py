"""What a ValidatingAdmissionPolicy says of a request: the language from Google's cel-cpp, the API server's variables from here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped]
from cel_expr_python.ext.ext_optional import ExtOptional  # type: ignore[import-untyped]

Body = Mapping[str, Any]
QUESTION = ("group", "resource", "namespace", "name", "check")
"""The steps by which a policy asks for a right; each is a function of Kubernetes' authorizer."""


def refusals(policy: Body, user: str, rights: Collection[str], new: Body, old: Body | None) -> list[str]:
    """The messages of the validations that fail; none if the policy is not about the request."""
    spec, operation = policy["spec"], "UPDATE" if old else "CREATE"
    (rule,) = spec["matchConstraints"]["resourceRules"]
    if operation not in rule["operations"] or f"{new['kind'].lower()}s" not in rule["resources"]:
        return []
    data = {
        "object": dict(new),
        "oldObject": old,
        "request": {"userInfo": {"username": user}, "operation": operation},
        "authorizer": {"rights": list(rights)},
        "variables": {},
    }
    if not all(evaluated(each["expression"], data) for each in spec.get("matchConditions") or []):
        return []
    for variable in spec.get("variables") or []:
        data["variables"][variable["name"]] = evaluated(variable["expression"], data)
    failed = [each for each in spec["validations"] if not evaluated(each["expression"], data)]
    return [each.get("message") or evaluated(each["messageExpression"], data) for each in failed]


def evaluated(expression: str, data: Mapping[str, Any]) -> Any:
    result = _program(expression).eval(data=dict(data))
    assert result.type() != cel.Type.ERROR, f"{expression}: {result.value()}"
    return result.value()


@cache
def _program(expression: str) -> cel.Expression:
    return _environment().compile(expression)


@cache
def _environment() -> cel.Env:
    kind = cel.Type
    steps = [
        _function(
            each, [kind.MAP, kind.STRING], kind.MAP, lambda asked, value, each=each: _plain(asked) | {each: value}
        )
        for each in QUESTION
    ]
    allowed = _function("allowed", [kind.MAP], kind.BOOL, _is_allowed)
    names = {"object": kind.DYN, "oldObject": kind.DYN, "request": kind.DYN, "variables": kind.DYN}
    return cel.NewEnv(
        variables=names | {"authorizer": kind.MAP}, extensions=[ExtOptional()], functions=[*steps, allowed]
    )


def _is_allowed(asked: Any) -> bool:
    """Rights are `verb resource.group namespace`, of any object."""
    question = _plain(asked)
    wanted = f"{question['check']} {question['resource']}.{question['group']} {question['namespace']}"
    return wanted in question["rights"]


def _plain(value: Any) -> Any:
    value = value.value() if isinstance(value, cel.Value) else value
    if isinstance(value, Mapping) or hasattr(value, "items"):
        return {str(_plain(key)): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _function(name: str, parameters: list[cel.Type], result: cel.Type, implementation: Any) -> cel.FunctionDecl:
    return cel.FunctionDecl(name, [cel.Overload(f"authorizer_{name}", result, parameters, True, implementation)])

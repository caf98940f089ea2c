"""Which objects a label or field selector picks."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from tests.cluster.errors import bad_request
from tests.cluster.store import Object

Matches = Callable[[Object], bool]

_TERM = re.compile(
    r"""\s*(?:(?P<key>[\w./-]+)\s+(?P<set>in|notin)\s*\(\s*(?P<values>[^)]*?)\s*\)
        |(?P<left>[\w./-]+)\s*(?P<operator>==|=|!=)\s*(?P<right>[\w.-]*)
        |(?P<absent>!)?\s*(?P<present>[\w./-]+))\s*(?:,|$)""",
    re.VERBOSE,
)


def label_selector(text: str) -> Matches:
    """True for objects whose labels meet every term of e.g. `app=web,tier in (a,b),!canary`; 400 if it is malformed."""
    terms: list[Callable[[Mapping[str, str]], bool]] = []
    position = 0
    while position < len(text.rstrip()):
        result = _TERM.match(text, position)
        if not result:
            raise bad_request(f"unable to parse requirement: found '{text[position:]}' in labelSelector '{text}'")
        terms.append(_label_term(result))
        position = result.end()
    return lambda item: all(term(item["metadata"].get("labels") or {}) for term in terms)


def _label_term(result: re.Match[str]) -> Callable[[Mapping[str, str]], bool]:
    if result["set"]:
        key, values = result["key"], {value.strip() for value in result["values"].split(",")}
        if result["set"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if result["operator"] in ("=", "=="):
        return lambda labels: labels.get(result["left"]) == result["right"]
    if result["operator"] == "!=":
        return lambda labels: labels.get(result["left"]) != result["right"]
    return lambda labels: (result["present"] in labels) is not bool(result["absent"])


def field_selector(text: str, fields: Collection[str]) -> Matches:
    """True for objects whose fields meet every term of e.g. `metadata.name=a,status.phase!=Failed`.

    Only metadata.name, metadata.namespace and the kind's selectable `fields` may be asked for; others are a 400.
    """
    terms: list[Matches] = []
    for term in filter(None, text.split(",")):
        result = re.fullmatch(r"\s*([\w.\[\]-]+)\s*(!=|==|=)(.*)", term)
        if not result:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        path, operator, value = result.groups()
        if path not in ("metadata.name", "metadata.namespace", *fields):
            raise bad_request(f"field label not supported: {path}")
        terms.append(_field_term(path, value, wanted=operator != "!="))
    return lambda item: all(term(item) for term in terms)


def _field_term(path: str, value: str, *, wanted: bool) -> Matches:
    return lambda item: (field_value(item, path) == value) is wanted


def field_value(item: Object, path: str) -> str:
    """What a field selector compares with: the field as text, empty where it is missing."""
    value: Any = item
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return "" if value is None else str(value)

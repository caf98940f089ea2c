"""Does the API server store a value of JSON as it is? What it refuses or changes would be sent again without end."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_GREATEST = 2**63 - 1


def unstorable_field(value: Any) -> str:
    """The path of a number or a text that the API server does not store, or an empty text."""
    pending: list[tuple[str, Any]] = [("", value)]
    while pending:
        path, each = pending.pop()
        if isinstance(each, dict):
            pending += [(f"{path}.{key}", inner) for key, inner in each.items()]
            each = " ".join(map(str, each))
        elif isinstance(each, list):
            pending += [(f"{path}.{place}", inner) for place, inner in enumerate(each)]
        if not _is_storable(each):
            return path.removeprefix(".")
    return ""


def _is_storable(value: Any) -> bool:
    if isinstance(value, str):
        return not _HALF_CHARACTER.search(value)
    if isinstance(value, float):
        return isfinite(value)
    return not isinstance(value, int) or -_GREATEST <= value <= _GREATEST

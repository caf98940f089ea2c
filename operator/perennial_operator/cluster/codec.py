"""JSON as text and back: fast, and where orjson gives up all the same.

It does beyond 64 bits (kopf reads the 1e20 that Go writes as 100000000000000000000 as a whole number) and beyond some
hundred levels, of which a tenant may nest as many as the API server takes. Neither may cost more than the one object.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import orjson

DEEPEST = 10_000
"""Levels of the deepest JSON that the API server reads: Go's own limit."""


def raise_recursion_limit() -> None:
    """The standard library, with which kopf reads too, reads whatever the API server may hold."""
    sys.setrecursionlimit(2 * DEEPEST)


def dumps(value: Any) -> bytes:
    """The value as JSON without a space. RecursionError if it is too deep even so."""
    try:
        # Copied, since what orjson answers is cut from a larger piece of memory, which would never be whole again.
        return bytes(memoryview(orjson.dumps(value)))
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def loads(text: bytes) -> Any:
    """The value. ValueError if the text is no JSON, RecursionError if it is too deep."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)

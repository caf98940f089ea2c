"""JSON encoding and decoding by orjson, and by the standard library for what orjson rejects.

That is integers beyond 64 bits (Go writes 1e20 as 100000000000000000000, which kopf parses as an integer) and nesting
of more than some hundred levels. Any tenant can store both; neither may stop the passes of other objects.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import orjson

DEEPEST = 10_000
"""Levels of the deepest JSON that the API server accepts: the limit of Go's decoder."""


def raise_recursion_limit() -> None:
    """The standard library, which kopf uses too, can decode any JSON that the API server stores."""
    sys.setrecursionlimit(2 * DEEPEST)


def dumps(value: Any) -> bytes:
    """The value as JSON without spaces. RecursionError if it is nested too deep for the standard library."""
    try:
        # Copied, since orjson returns a part of a larger buffer, which would stay allocated as long as this text.
        return bytes(memoryview(orjson.dumps(value)))
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def loads(text: bytes) -> Any:
    """The value. ValueError if the text is not JSON, RecursionError if it is nested too deep."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)

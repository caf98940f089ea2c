"""JSON encoding and decoding by orjson, and by the standard library for what orjson rejects; and packed JSON.

That is integers beyond 64 bits (Go writes 1e20 as 100000000000000000000, which kopf parses as an integer) and nesting
of more than some hundred levels. Any tenant can store both; neither may stop the passes of other objects.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any
from zlib import DEFLATED, compressobj, decompressobj

import orjson

DEEPEST = 10_000
"""Levels of the deepest JSON that the API server accepts: the limit of Go's decoder."""
LEVEL, RAW = 3, -15
"""Of the compression, and its form: without a header and a checksum."""
FARTHEST = 32_768
"""Bytes back to which compression refers."""

_patterns: list[bytes] = []
"""Of each kind the text of the first object, which stays for as long as the process."""
_numbers: dict[str, int] = {}
"""Kind → the place of its text."""


def raise_recursion_limit() -> None:
    """The standard library, which kopf uses too, can decode any JSON that the API server stores."""
    sys.setrecursionlimit(2 * DEEPEST)


def dumps(value: Any) -> bytes:
    """The value as JSON without spaces, times as ISO 8601. RecursionError if it is nested too deep."""
    try:
        # Copied, since orjson returns a part of a larger buffer, which would stay allocated as long as this text.
        return bytes(memoryview(orjson.dumps(value)))
    except TypeError:
        return json.dumps(value, separators=(",", ":"), default=datetime.isoformat).encode()


def loads(text: bytes) -> Any:
    """The value. ValueError if the text is not JSON, RecursionError if it is nested too deep."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def pack(kind: str, value: Any) -> bytes:
    """The value in a small part of its JSON's memory: without what it has in common with the first of its kind."""
    text = dumps(value)
    if kind not in _numbers:
        _numbers[kind] = len(_patterns)
        _patterns.append(text[-FARTHEST:])
    number = _numbers[kind]
    packer = compressobj(LEVEL, DEFLATED, RAW, zdict=_patterns[number])
    return b"".join((number.to_bytes(1), packer.compress(text), packer.flush()))


def unpack(packed: bytes) -> Any:
    """The value that was packed."""
    return loads(decompressobj(RAW, zdict=_patterns[packed[0]]).decompress(packed[1:]))

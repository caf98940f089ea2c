"""Malformed input: values of every type, and valid values with some parts replaced."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from tests.fuzz.conftest import PROFILE

NASTY = [
    "",
    " ",
    "../..",
    "a" * 5000,
    "\x00",
    "٣",
    "💥",
    "NaN",
    "-1",
    "1e999",
    "{{7*7}}",
    "${HOME}",
    "__class__",
    "null",
]


def nested(levels: int, value: Any = 1) -> Any:
    """The value nested in so many objects."""
    for _ in range(levels):
        value = {"a": value}
    return value


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from(NASTY)
    | st.text(max_size=20)
    | st.sampled_from([40, 300]).map(nested)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def with_examples(examples: int) -> settings:
    """So many examples in `make test`, eighty times as many in `make test-deep`."""
    return settings(PROFILE, max_examples=max(examples, PROFILE.max_examples * examples // 25))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every place in a JSON value, the outer ones first."""
    if path:
        yield path
    children = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


@st.composite
def corrupted(draw: st.DrawFn, good: Mapping[str, Any], parts: tuple[str, ...] = (), most: int = 3) -> dict[str, Any]:
    """The valid value with some places of these parts (default: all) replaced or removed."""
    result: dict[str, Any] = copy.deepcopy(dict(good))
    for _ in range(draw(st.integers(1, most))):
        candidates = [path for path in places(result) if not parts or path[0] in parts]
        if not candidates:
            break
        *parents, last = draw(st.sampled_from(candidates))
        target: Any = result
        for step in parents:
            target = target[step]
        if draw(st.booleans()) and isinstance(target, dict):
            del target[last]
        else:
            target[last] = draw(VALUES)
    return result


@st.composite
def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """The bytes with some changed, removed or added; or other bytes."""
    content = bytearray(good)
    how = draw(st.sampled_from(["flip", "cut", "insert", "double", "other"]))
    if how == "other":
        return draw(st.binary(max_size=300))
    at = draw(st.integers(0, max(0, len(content) - 1)))
    if how == "flip":
        for _ in range(draw(st.integers(1, 5))):
            content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    elif how == "cut":
        del content[at:]
    elif how == "insert":
        content[at:at] = draw(st.binary(min_size=1, max_size=20))
    else:
        content += content[at:]
    return bytes(content)

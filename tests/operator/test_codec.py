"""Objects with deep nesting or large numbers do not affect other objects."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial_operator.cluster.codec import DEEPEST, FARTHEST, dumps, loads, pack, raise_recursion_limit, unpack
from tests.builders import merged
from tests.fuzz.malformed import nested
from tests.fuzz.test_operator import DEPLOYMENT, REPORT, SERVING, VERSION, ended, passed
from tests.simulation.results import TRAINED

LEVELS = [33, 300, 1500, DEEPEST - 100]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.fixture(autouse=True)
def as_deep_as_the_operator() -> Iterator[None]:
    before = sys.getrecursionlimit()
    raise_recursion_limit()
    yield
    sys.setrecursionlimit(before)


@given(VALUES)
def test_encoded_value_is_decoded_unchanged(value: Any) -> None:
    assert same(loads(dumps(value)), value)


@given(st.lists(st.tuples(st.sampled_from("ab"), VALUES)))
def test_packed_value_is_unpacked_unchanged(values: list[tuple[str, Any]]) -> None:
    packed = [pack(kind, value) for kind, value in values]
    assert all(same(unpack(each), value) for each, (_, value) in zip(packed, values, strict=True))


def test_packed_object_has_the_size_of_what_is_its_own() -> None:
    objects = [{"number": number, "same": [*range(FARTHEST)]} for number in range(3)]
    first, second, third = (pack("long", each) for each in objects)
    assert [unpack(each) for each in (first, second, third)] == objects
    small = [pack("small", {"number": number, "same": [*range(99)]}) for number in range(3)]
    assert max(map(len, small)) < 40


def same(read: Any, written: Any) -> bool:
    """Integers beyond 64 bits are decoded as floats, as Go does."""
    if isinstance(written, dict):
        return read.keys() == written.keys() and all(same(read[key], value) for key, value in written.items())
    if isinstance(written, list):
        return len(read) == len(written) and all(map(same, read, written))
    return math.isclose(read, written) if isinstance(written, int | float) else bool(read == written)


@pytest.mark.parametrize("levels", LEVELS)
def test_deepest_json_of_the_api_server_is_decoded(levels: int) -> None:
    read = loads(dumps(nested(levels, "bottom")))
    for _ in range(levels):
        read = read["a"]
    assert read == "bottom"


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize(
    "where",
    [
        lambda deep: {"training": {"pod": {"affinity": deep}}},
        lambda deep: {"training": {"pod": {"volumes": [deep]}}},
        lambda deep: {"model": {"parameters": deep}},
        lambda deep: {"training": {"search": {"space": {"alpha": [deep]}}}},
    ],
    ids=["affinity", "volume", "parameter", "space"],
)
def test_too_deep_model_deployment_is_stalled_others_continue(levels: int, where: Any) -> None:
    operator = passed(merged(DEPLOYMENT, {"spec": where(nested(levels))}), VERSION, REPORT, SERVING)
    (stalled,) = (c for c in operator.status("ModelDeployment", "bike")["conditions"] if c["type"] == "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "InvalidSpec")
    assert "it has more than 32 levels; use fewer" in stalled["message"]


@pytest.mark.parametrize("levels", [33, 300, 700])
@pytest.mark.parametrize("whole", [True, False], ids=["valid result", "invalid result"])
def test_too_deep_result_is_a_failure_with_a_reason(levels: int, whole: bool) -> None:
    """More than 700 levels do not fit into the 4,096 bytes that a kubelet passes on."""
    result = {**TRAINED, "parameters": nested(levels)} if whole else nested(levels)
    status = passed(DEPLOYMENT, *ended("train", json.dumps(result))).status("ModelVersion", "bike-v1")
    assert status["phase"] == "Failed"
    assert status["reason"]
    assert status["message"]


def test_integer_beyond_64_bits_does_not_stop_the_watch() -> None:
    """Go writes 1e20 as 100000000000000000000."""
    deployment = merged(DEPLOYMENT, {"spec": {"model": {"parameters": {"alpha": json.loads("100000000000000000000")}}}})
    passed(deployment, VERSION, REPORT, SERVING)

"""What must always hold of sets of fields, merges and amounts, whatever the objects."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.apply import merged, without
from tests.cluster.cel import quantity
from tests.cluster.fields import applied, from_v1, nodes, to_v1
from tests.cluster.patch import merge_patch

STEPS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "items": {"type": "object", "properties": {"name": {"type": "string"}, "weight": {"type": "integer"}}},
}
SCHEMA = {
    "type": "object",
    "properties": {
        "mode": {"type": "string"},
        "steps": STEPS,
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}
words = st.text("abc", min_size=1, max_size=2)
values = st.recursive(
    st.integers() | words | st.booleans(), lambda inner: st.dictionaries(words, inner) | st.lists(inner)
)
steps = st.lists(
    st.fixed_dictionaries({"name": words}, optional={"weight": st.integers(0, 9)}), unique_by=lambda step: step["name"]
)
objects = st.fixed_dictionaries(
    {},
    optional={
        "mode": words,
        "steps": steps,
        "labels": st.dictionaries(words, words),
        "open": st.dictionaries(words, values),
    },
)


@given(objects)
def test_a_set_of_fields_survives_being_written(item: dict[str, Any]) -> None:
    claimed = applied(item, SCHEMA)
    assert frozenset(from_v1(to_v1(claimed))) == claimed


@given(objects)
def test_what_is_claimed_is_there(item: dict[str, Any]) -> None:
    assert applied(item, SCHEMA) <= nodes(item, SCHEMA).keys()


@given(objects, objects)
def test_applying_again_changes_nothing(live: dict[str, Any], config: dict[str, Any]) -> None:
    once = merged(live, config, SCHEMA)
    result = nodes(once, SCHEMA)
    assert all(result[path] == value for path, value in nodes(config, SCHEMA).items())
    assert nodes(live, SCHEMA).keys() <= result.keys() | {path for path in nodes(live, SCHEMA) if path[0] == "f:open"}
    assert merged(once, config, SCHEMA) == once


closed = objects.map(lambda item: {key: value for key, value in item.items() if key != "open"})


@given(closed, closed)
def test_fields_of_others_outlive_the_removal_of_mine(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    both = merged(theirs, mine, SCHEMA)
    kept = applied(theirs, SCHEMA)
    left = without(both, applied(mine, SCHEMA) - kept, kept, SCHEMA)
    assert kept <= nodes(left, SCHEMA).keys()
    assert not (applied(mine, SCHEMA) - kept) & (applied(left, SCHEMA) - kept)


@given(values, values)
def test_a_merge_patch_is_the_same_twice(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9))
def test_an_amount_means_the_same_in_every_unit(amount: Decimal) -> None:
    assert quantity(f"{amount}k") == quantity(str(amount)) * 1000 == quantity(f"{amount}m") * 1_000_000
    assert quantity(f"{amount}Ki") == quantity(str(amount)) * 1024

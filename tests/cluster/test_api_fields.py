"""What must always hold of sets of fields and merges, whatever the objects."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.apply import merged, without
from tests.cluster.fields import applied, from_v1, nodes, to_v1

STEPS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "items": {"type": "object", "properties": {"name": {"type": "string"}, "weight": {"type": "integer"}}},
}
LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
SCHEMA = {"type": "object", "properties": {"mode": {"type": "string"}, "steps": STEPS, "labels": LABELS, "open": OPEN}}
words = st.text("abc", min_size=1, max_size=2)
values = st.recursive(
    st.integers() | words | st.booleans(), lambda inner: st.dictionaries(words, inner) | st.lists(inner)
)
step = st.fixed_dictionaries({"name": words}, optional={"weight": st.integers(0, 9)})
fields: dict[str, st.SearchStrategy[Any]] = {
    "mode": words,
    "steps": st.lists(step, unique_by=lambda step: step["name"]),
    "labels": st.dictionaries(words, words),
}
closed = st.fixed_dictionaries({}, optional=fields)
objects = st.fixed_dictionaries({}, optional=fields | {"open": st.dictionaries(words, values)})


@given(objects)
def test_a_set_of_fields_can_be_written_and_read(item: dict[str, Any]) -> None:
    claimed = applied(item, SCHEMA)
    assert frozenset(from_v1(to_v1(claimed))) == claimed
    assert claimed <= nodes(item, SCHEMA).keys()


@given(objects, objects)
def test_applying_twice_changes_nothing(live: dict[str, Any], config: dict[str, Any]) -> None:
    once = merged(live, config, SCHEMA)
    result = nodes(once, SCHEMA)
    assert all(result[path] == value for path, value in nodes(config, SCHEMA).items())
    assert merged(once, config, SCHEMA) == once


@given(closed, closed)
def test_other_managers_fields_stay(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    both = merged(theirs, mine, SCHEMA)
    kept = applied(theirs, SCHEMA)
    left = without(both, applied(mine, SCHEMA) - kept, kept, SCHEMA)
    assert kept <= nodes(left, SCHEMA).keys()
    assert not (applied(mine, SCHEMA) - kept) & (applied(left, SCHEMA) - kept)

"""Namespaces, places and operators are divided among the shards."""

from __future__ import annotations

import pytest

from perennial_operator.core.shards import places_of, shard_of, shard_to_ask_for, shards_to_take


def test_shard_of_a_namespace_never_changes() -> None:
    """Another function would be another division, and operators of two releases would both act."""
    assert [shard_of(name, 7) for name in ("default", "team-a", "team-b", "team-c")] == [4, 3, 1, 6]
    assert {shard_of(f"team-{number}", 3) for number in range(20)} == {0, 1, 2}
    assert {shard_of(f"team-{number}", 1) for number in range(20)} == {0}


@pytest.mark.parametrize(("places", "shards"), [(10, 1), (10, 3), (3, 3), (100, 7)])
def test_places_of_all_shards_are_those_of_the_fleet(places: int, shards: int) -> None:
    parts = [places_of(shard, shards, places) for shard in range(shards)]
    assert sum(parts) == places
    assert max(parts) - min(parts) <= 1 <= min(parts)


@pytest.mark.parametrize(
    ("holders", "own", "taken"),
    [
        (["", "", ""], [], [0]),
        (["me", "", ""], [0], [1, 2]),
        (["me", "", "a"], [], [0, 1]),
        (["a", None, ""], [], [2]),
        (["a", "b", None], [], []),
        (["me", "me", "a"], [0, 1], []),
    ],
)
def test_operator_takes_what_has_its_name_or_no_holder(
    holders: list[str | None], own: list[int], taken: list[int]
) -> None:
    assert shards_to_take(holders, own, "me") == taken


@pytest.mark.parametrize(
    ("holders", "asked"),
    [
        (["a", "a"], 0),
        (["b", "a", "a"], 1),
        (["me", "a", "a"], None),
        (["me", "a", "a", "a"], 1),
        (["a"], None),
        (["", None], None),
        (["me", "me", "a"], None),
    ],
)
def test_operator_asks_who_has_at_least_two_more(holders: list[str | None], asked: int | None) -> None:
    assert shard_to_ask_for(holders, "me") == asked

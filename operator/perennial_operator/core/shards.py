"""Which shard of the fleet does a namespace belong to, and which shards should an operator hold?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from hashlib import sha256


def shard_of(namespace: str, shards: int) -> int:
    """The same for every operator and release: two that disagreed would both act on the namespace."""
    return int.from_bytes(sha256(namespace.encode()).digest()[:8], "big") % shards


def places_of(shard: int, shards: int, places: int) -> int:
    """The shard's part of the fleet's places for trainings; all parts together are `places`."""
    return places // shards + (shard < places % shards)


def shards_to_take(holders: Sequence[str | None], own: Collection[int], identity: str) -> list[int]:
    """Shards whose Lease has this operator's name, as after a restart, and those that are free.

    An operator without a shard takes one of these, so that operators that start together share them. `holders` has the
    holder of each shard: empty if it is free, None if that is not known.
    """
    named = [shard for shard, holder in enumerate(holders) if holder == identity and shard not in own]
    free = [shard for shard, holder in enumerate(holders) if holder == ""]
    return named + (free if own or named else free[:1])


def shard_to_ask_for(holders: Sequence[str | None], identity: str) -> int | None:
    """A shard of the operator that holds the most, if those are at least two more than this one holds; or None."""
    counts = Counter(holder for holder in holders if holder)
    most = max(counts, key=lambda holder: counts[holder], default=identity)
    return holders.index(most) if counts[most] >= counts[identity] + 2 else None

"""The effect of a list on the cache."""

from __future__ import annotations

from collections.abc import Iterable

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Body, Key, Place


def replaced(cache: Cache, kind: str, items: Iterable[Body], listed_at: str, namespace: str | None = None) -> set[Key]:
    """The cache has the listed state of the kind; the affected keys."""
    items = list(items)
    changed = set().union(*[cache.put(body) for body in items])
    return changed | cache.prune(kind, {Place.of(body) for body in items}, listed_at, namespace)

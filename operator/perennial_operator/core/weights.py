"""How many replicas of each version does a weight mean?"""

from __future__ import annotations

from math import ceil


def share(replicas: int, weight: int) -> int:
    """Replicas that a candidate needs for `weight` per cent of the requests, beside a live version that keeps all."""
    return ceil(replicas * weight / 100)


def split(replicas: int, weight: int) -> tuple[int, int]:
    """(candidate's, live version's) replicas that come nearest to `weight` per cent.

    Together they are never fewer than `replicas`, and at most one more;
    each version keeps at least one until the candidate takes all.
    """
    if weight >= 100 or replicas == 0:
        return replicas, 0
    fair = range(1, max(2, ceil(replicas * weight / 100) + 1))
    pairs = [(ours, rest) for ours in fair for rest in (replicas - ours, replicas - ours + 1) if rest >= 1]
    return min(pairs, key=lambda pair: (abs(pair[0] / sum(pair) - weight / 100), sum(pair)), default=(1, 1))

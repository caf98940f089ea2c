"""Requests by weight, as a gateway or KServe would lead them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx


def asked(
    count: int, turns: Sequence[str], turn: Iterator[int], url: Callable[[str], str], body: Mapping[str, Any]
) -> Counter[str]:
    """Version → how many of the requests it answered; each has to be answered well.

    Of any hundred in a row each of a hundred turns comes once, as 37 has no factor in common with 100.
    """
    answered: Counter[str] = Counter()
    with httpx.Client(trust_env=False, timeout=30) as http:
        for _ in range(count):
            answer = http.post(url(turns[next(turn) * 37 % len(turns)]), json=body)
            assert answer.status_code == 200, answer.text
            answered[answer.json()["model_version"]] += 1
    return answered

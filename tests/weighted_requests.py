"""Requests split by weight, as a gateway or KServe splits them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx


def send_requests(
    count: int, turns: Sequence[str], turn: Iterator[int], url: Callable[[str], str], body: Mapping[str, Any]
) -> Counter[str]:
    """Version → how many of the requests it answered; each has to succeed.

    Of a hundred requests in a row each of a hundred turns gets one, since 37 and 100 have no common factor.
    """
    answered: Counter[str] = Counter()
    with httpx.Client(trust_env=False, timeout=30, verify=False) as http:
        for _ in range(count):
            answer = http.post(url(turns[next(turn) * 37 % len(turns)]), json=body)
            assert answer.status_code == 200, answer.text
            answered[answer.json()["model_version"]] += 1
    return answered

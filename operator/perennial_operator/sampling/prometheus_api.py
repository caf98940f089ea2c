"""What did Prometheus answer to a query?"""

from __future__ import annotations

import json
import math
from typing import Any


class NoAnswerError(Exception):
    """Nobody answered, or not in this way; a sentence says what."""


def values(body: bytes) -> tuple[float, ...]:
    """The value of each series; none where the answer is empty or no number."""
    try:
        answer: Any = json.loads(body)
        if answer["status"] != "success":
            raise NoAnswerError(f"Prometheus refused it: {str(answer.get('error'))[:200]}")
        kind, result = answer["data"]["resultType"], answer["data"]["result"]
        if kind not in ("scalar", "vector"):
            raise NoAnswerError(f"the answer is a {str(kind)[:20]}; ask for an instant vector or a scalar")
        points = [result] if kind == "scalar" else [series["value"] for series in result]
        numbers = [float(point[1]) for point in points]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise NoAnswerError("what answered is no Prometheus") from error
    return tuple(number for number in numbers if not math.isnan(number))

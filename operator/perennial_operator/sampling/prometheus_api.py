"""The response of Prometheus to an instant query."""

from __future__ import annotations

import json
import math
from typing import Any


class NoResponseError(Exception):
    """There was no response, or not the expected one; the message says which."""


def values(body: bytes) -> tuple[float, ...]:
    """The value of each series, without NaN."""
    try:
        response: Any = json.loads(body)
        if response["status"] != "success":
            raise NoResponseError(f"Prometheus rejected it: {str(response.get('error'))[:200]}")
        kind, result = response["data"]["resultType"], response["data"]["result"]
        if kind not in ("scalar", "vector"):
            raise NoResponseError(f"the result is a {str(kind)[:20]}; query an instant vector or a scalar")
        points = [result] if kind == "scalar" else [series["value"] for series in result]
        numbers = [float(point[1]) for point in points]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise NoResponseError("the response is not from Prometheus") from error
    return tuple(number for number in numbers if not math.isnan(number))

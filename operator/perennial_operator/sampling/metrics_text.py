"""The request statistics in the /metrics of a serving pod, counted since it started."""

from __future__ import annotations

import math

from prometheus_client.parser import text_string_to_metric_families

from perennial_operator.core.api.request_stats import Tally

REQUESTS, SECONDS = "model_requests_total", "model_request_seconds"
PREDICTED, TOTAL = "model_predicted_rows_total", "model_predicted_sum"
OVERFLOW_FACTOR = 2.0
"""A request slower than every bucket counts as this factor times the greatest bound."""


class UnreadableError(ValueError):
    """The text has no request statistics; the message says what is missing."""


def tally(text: str, version: str) -> Tally:
    """The statistics of this version. UnreadableError if the text has none."""
    requests = errors = predicted = 0
    seconds, total, has_requests = 0.0, 0.0, False
    buckets: dict[float, float] = {}
    try:
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except ValueError as error:
        raise UnreadableError("its /metrics is not in Prometheus's text format") from error
    for name, labels, value, *_ in samples:
        if labels.get("version") != version or not math.isfinite(value):
            continue
        if name == TOTAL:
            total += value
        if value < 0:
            continue
        if name == REQUESTS:
            has_requests = True
            requests += int(value)
            errors += int(value) if labels.get("code", "").startswith("5") else 0
        elif name == PREDICTED:
            predicted += int(value)
        elif name == f"{SECONDS}_sum":
            seconds += value
        elif name == f"{SECONDS}_bucket":
            bound = float(labels.get("le", "inf"))
            buckets[bound] = buckets.get(bound, 0.0) + value
    if not has_requests:
        raise UnreadableError(f"its /metrics has no {REQUESTS} of {version}")
    squares = _squares(buckets)
    return Tally(requests=requests, errors=errors, seconds=seconds, squares=squares, predicted=predicted, total=total)


def _squares(buckets: dict[float, float]) -> float:
    """The sum of squared durations, each request at its bucket's upper bound: a safe overestimate."""
    finite = [bound for bound in buckets if math.isfinite(bound)]
    longest = OVERFLOW_FACTOR * max(finite, default=0.0)
    total, below = 0.0, 0.0
    for bound, count in sorted(buckets.items()):
        total += max(0.0, count - below) * (bound if math.isfinite(bound) else longest) ** 2
        below = max(below, count)
    return total

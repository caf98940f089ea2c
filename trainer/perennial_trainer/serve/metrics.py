"""Prometheus metrics of the server, by model and version: canary analysis reads them."""

import math
import os
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

from perennial_trainer.serve.workers.count import PLACE, SHARED_METRICS

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
Together = Literal["sum", "livesum", "max", "min"]
"""What a gauge of several processes is."""

if SHARED_METRICS in os.environ:
    _place = os.environ.get(PLACE, "0")
    # By place and not by process id: a process that ends again and again would leave more files each time.
    values.ValueClass = values.MultiProcessValue(lambda: _place)  # type: ignore[no-untyped-call]

_REQUESTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """The metrics of one served version, in a registry of its own."""

    def __init__(self, model: str, version: str) -> None:
        self._registry = CollectorRegistry()
        self._is_shared = SHARED_METRICS in os.environ
        labels, values = ("model", "version"), (model, version)
        self._requests = Counter(
            "model_requests", "Answered inference requests.", (*labels, "code"), registry=self._registry
        )
        self._seconds = Histogram(
            "model_request_seconds",
            "From a request's body to its answer.",
            labels,
            buckets=_SECONDS,
            registry=self._registry,
        ).labels(*values)
        self._batch = Histogram(
            "model_batch_requests",
            "Requests that shared one predict.",
            labels,
            buckets=_REQUESTS,
            registry=self._registry,
        ).labels(*values)
        # The sum is a gauge, since predictions may be negative.
        self._rows = Counter("model_predicted_rows", "Numbers predicted.", labels, registry=self._registry).labels(
            *values
        )
        self._sum = self._gauge("model_predicted_sum", "Sum of the numbers predicted.", labels, "sum").labels(*values)
        info_labels = (*labels, "format", "sha256")
        self._info = self._gauge("model_info", "1 once the model is loaded.", info_labels, "max")
        description = "1 if the compiled model answers, 0 if the fitted pipeline does."
        self._compiled = self._gauge("model_compiled", description, labels, "min")
        self._unknown = _unknown_categories(self._registry)
        self._refused = _refused_requests(self._registry)
        self._captured, self._capture_dropped = _captured_rows(self._registry)
        self._waiting: tuple[Gauge, Callable[[], int]] | None = None
        self._values = values
        if not self._is_shared:  # it would be about one of several processes
            ProcessCollector(registry=self._registry)
        # A counter that first appears as 1 has no increase: a rate would miss the first error of a canary.
        self._by_code = {code: self._requests.labels(*values, str(code)) for code in (200, 400, 413, 429, 500, 503)}

    def _gauge(self, name: str, description: str, labels: Sequence[str], among_processes: Together) -> Gauge:
        return Gauge(name, description, labels, registry=self._registry, multiprocess_mode=among_processes)

    def count_request(self, code: int, seconds: float) -> None:
        if code not in self._by_code:
            self._by_code[code] = self._requests.labels(*self._values, str(code))
        self._by_code[code].inc()
        self._seconds.observe(seconds)

    def count_predictions(self, values: NDArray[np.float64]) -> None:
        """Adds to the count and the sum of predicted numbers; no single number is exposed."""
        total = float(values.sum())
        if not math.isfinite(total):
            values = values[np.isfinite(values)]
            total = float(values.sum())
        self._rows.inc(values.size)
        self._sum.inc(total)

    def batched(self, requests: int) -> None:
        self._batch.observe(requests)

    def count_unknown(self, feature: str, values: int) -> None:
        self._unknown.labels(*self._values, feature).inc(values)

    def count_refused(self, reason: str) -> None:
        self._refused.labels(*self._values, reason).inc()

    def capturing(self, waiting: Callable[[], int]) -> None:
        """Requests are captured from now on; `waiting` tells how many rows are in memory."""
        description = "Captured rows that are in memory."
        gauge = self._gauge("model_capture_waiting_rows", description, ("model", "version"), "livesum")
        self._waiting = gauge.labels(*self._values), waiting
        self.count_waiting()
        self._captured.labels(*self._values)
        for reason in ("full", "stopped", "error"):
            self._capture_dropped.labels(*self._values, reason)

    def count_waiting(self) -> None:
        """The gauge of captured rows in memory is that of now."""
        if self._waiting:
            gauge, rows = self._waiting
            gauge.set(rows())

    def count_captured(self, rows: int) -> None:
        self._captured.labels(*self._values).inc(rows)
        self.count_waiting()

    def count_capture_dropped(self, reason: str, rows: int) -> None:
        self._capture_dropped.labels(*self._values, reason).inc(rows)
        self.count_waiting()

    def loaded(self, artifact_format: str, sha256: str, compiled: bool) -> None:
        self._compiled.labels(*self._values).set(compiled)
        self._info.labels(*self._values, artifact_format, sha256).set(1)

    def text(self) -> bytes:
        """The exposition in Prometheus' text format, of all processes that serve."""
        self.count_waiting()
        registry = self._registry
        if self._is_shared:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def _unknown_categories(registry: CollectorRegistry) -> Counter:
    description = "Values of requests that the model was not trained on."
    return Counter("model_unknown_categories", description, ("model", "version", "feature"), registry=registry)


def _refused_requests(registry: CollectorRegistry) -> Counter:
    description = "Requests and connections beyond a limit of the server."
    return Counter("model_refused_requests", description, ("model", "version", "reason"), registry=registry)


def _captured_rows(registry: CollectorRegistry) -> tuple[Counter, Counter]:
    labels = ("model", "version")
    written = Counter("model_captured_rows", "Captured rows that are in storage.", labels, registry=registry)
    description = "Captured rows that are not in storage, because there was no room in memory for more, or no time."
    return written, Counter("model_capture_dropped", description, (*labels, "reason"), registry=registry)

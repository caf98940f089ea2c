"""The operator's own metrics, in the format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from perennial_operator.cluster.cache_entry import Key
from perennial_operator.core.api.conditions import find
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.model_version import IN_FLIGHT, ModelVersion
from perennial_operator.core.status.measures import ModelGauges, model_gauges, stage_that_ended
from perennial_operator.core.world import World
from perennial_operator.telemetry.model_families import MODEL, families_of

STAGE_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)
PASS_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 2, 10)


class Metrics(Collector):
    """All metrics of one operator, in their own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self._reports = self._counter("drift_reports", "Drift reports by outcome.", "outcome")
        self._would_trigger = self._counter(
            "would_trigger", "Drift reports that would have started a training with spec.drift.mode Train.", *MODEL
        )
        self._candidates = self._counter(
            "candidates", "Candidates that went live, failed or were rejected.", "phase", "reason", "trigger"
        )
        self._analyses = self._counter("analyses", "Changes of the result of a roll-out analysis.", "reason")
        self._stages = Histogram(
            "perennial_stage_duration_seconds",
            "Duration of a stage of a candidate.",
            ["stage"],
            buckets=STAGE_SECONDS,
            registry=registry,
        )
        self.passes = Histogram(
            "perennial_reconcile_duration_seconds", "Duration of a pass.", buckets=PASS_SECONDS, registry=registry
        )
        self.errors = self._counter("reconcile_errors", "Passes that failed and are retried.", "reason")
        self._calls = self._counter("api_calls", "Calls to the API server.", "verb")
        self.queue = self._gauge("queue_length", "ModelDeployments waiting for a pass.")
        self.tasks = self._gauge("tasks", "Tasks of the operator's event loop, including those of kopf.")
        self.leader = self._gauge("leader", "1 if this operator acts for the shard, 0 if it does not.", "shard")
        self.missing_fields = self._gauge(
            "missing_crd_fields", "Fields that this operator writes and the installed CustomResourceDefinitions lack."
        )
        self._models: dict[Key, ModelGauges] = {}
        self.budget = 0
        """Trainings that may begin in a namespace within a day."""
        self.begun: Callable[[datetime], Mapping[str, int]] = lambda _: {}
        """Those that did, by namespace."""
        registry.register(self)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"perennial_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"perennial_{name}", text, labels, registry=self.registry)

    def count_call(self, verb: str) -> None:
        self._calls.labels(verb).inc()

    def count_outcome(self, outcome: Outcome) -> None:
        self._reports.labels(outcome.value).inc()

    def record_pass(self, key: Key, before: World, after: World) -> None:
        """The changes of the pass are counted, and the model's gauges show the world after it."""
        outcomes = {report.name: report.outcome for report in before.reports}
        for report in after.reports:
            if report.outcome and report.outcome is not outcomes.get(report.name, report.outcome):
                self.count_outcome(report.outcome)
                if report.outcome is Outcome.WOULD_TRIGGER:
                    self._would_trigger.labels(*key).inc()
        for version in after.versions:
            earlier = before.version(version.name)
            if earlier and earlier.phase is not version.phase and not earlier.unrestored:
                self._record_transition(earlier, version, after.now)
            analysed = find(version.status.conditions, "Analysed")
            if earlier and analysed and analysed != find(earlier.status.conditions, "Analysed"):
                self._analyses.labels(analysed.reason).inc()
        self._models[key] = model_gauges(after)

    def _record_transition(self, before: ModelVersion, after: ModelVersion, now: datetime) -> None:
        if before.phase in IN_FLIGHT and after.phase not in IN_FLIGHT:
            reason, trigger = after.status.reason or "", after.spec.trigger.reason
            self._candidates.labels(after.phase.value, reason, trigger).inc()
        if ended := stage_that_ended(before, now):
            self._stages.labels(ended.stage).observe(ended.seconds)

    def forget(self, key: Key) -> None:
        self._models.pop(key, None)
        self._would_trigger.remove_by_labels(dict(zip(MODEL, key, strict=True)))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = datetime.now(UTC)
        yield from families_of(self._models, now)
        begun = GaugeMetricFamily(
            "perennial_trainings_begun", "Trainings that began within a day, by namespace.", labels=["namespace"]
        )
        for namespace, count in self.begun(now).items():
            begun.add_metric([namespace], count)
        yield begun
        yield GaugeMetricFamily(
            "perennial_trainings_budget", "Trainings that may begin in a namespace within a day.", value=self.budget
        )

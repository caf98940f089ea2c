"""What the operator counts and measures, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from perennial_operator.cluster.cache_entry import Key
from perennial_operator.core.api.conditions import find
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.model_version import IN_FLIGHT, ModelVersion
from perennial_operator.core.status.measures import WatchedMetric, stage_that_ended, watched_metrics
from perennial_operator.core.world import World

STAGE_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)
PASS_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 2, 10)


class Metrics(Collector):
    """One operator's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        made = self.registry
        self._reports = Counter(
            "perennial_drift_reports", "Drift reports by what became of them.", ["outcome"], registry=made
        )
        self._candidates = Counter(
            "perennial_candidates", "Candidates that came to an end.", ["phase", "reason", "trigger"], registry=made
        )
        self._analyses = Counter(
            "perennial_analyses", "What analyses of roll-outs said, each time it was news.", ["reason"], registry=made
        )
        self._stages = Histogram(
            "perennial_stage_duration_seconds",
            "How long a stage took.",
            ["stage"],
            buckets=STAGE_SECONDS,
            registry=made,
        )
        self.passes = Histogram(
            "perennial_reconcile_duration_seconds", "How long a pass took.", buckets=PASS_SECONDS, registry=made
        )
        self.errors = Counter(
            "perennial_reconcile_errors", "Passes that have to be repeated.", ["reason"], registry=made
        )
        self._calls = Counter("perennial_api_calls", "Calls to the API server.", ["verb"], registry=made)
        self.queue = Gauge("perennial_queue_length", "ModelDeployments that wait for a pass.", registry=made)
        self.tasks = Gauge("perennial_tasks", "Tasks of the operator's event loop, kopf's among them.", registry=made)
        self.leader = Gauge("perennial_leader", "1 where this operator acts, 0 where it stands by.", registry=made)
        self._models: dict[Key, tuple[datetime | None, tuple[WatchedMetric, ...]]] = {}
        made.register(self)

    def called(self, verb: str) -> None:
        self._calls.labels(verb).inc()

    def judged(self, outcome: Outcome) -> None:
        self._reports.labels(outcome.value).inc()

    def passed(self, key: Key, before: World, after: World) -> None:
        """What a pass has changed is counted, and the model's gauges are those of the world after it."""
        outcomes = {report.name: report.outcome for report in before.reports}
        for report in after.reports:
            if report.outcome and report.outcome is not outcomes.get(report.name, report.outcome):
                self.judged(report.outcome)
        for version in after.versions:
            earlier = before.version(version.name)
            if earlier and earlier.phase is not version.phase and not earlier.unrestored:
                self._moved(earlier, version, after.now)
            told = find(version.status.conditions, "Analysed")
            if earlier and told and told != find(earlier.status.conditions, "Analysed"):
                self._analyses.labels(told.reason).inc()
        live = after.live
        self._models[key] = (live.status.live_since if live else None, watched_metrics(after))

    def _moved(self, before: ModelVersion, after: ModelVersion, now: datetime) -> None:
        if before.phase in IN_FLIGHT and after.phase not in IN_FLIGHT:
            reason, trigger = after.status.reason or "", after.spec.trigger.reason
            self._candidates.labels(after.phase.value, reason, trigger).inc()
        if ended := stage_that_ended(before, now):
            self._stages.labels(ended.stage).observe(ended.seconds)

    def forget(self, key: Key) -> None:
        self._models.pop(key, None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        model = ["namespace", "model"]
        age = GaugeMetricFamily(
            "perennial_live_version_age_seconds", "Since when the live version serves.", labels=model
        )
        value = GaugeMetricFamily(
            "perennial_drift_value",
            "The newest report's value that is nearest to its limit or beyond it.",
            labels=[*model, "metric"],
        )
        limit = GaugeMetricFamily("perennial_drift_limit", "The limit of that value.", labels=[*model, "metric"])
        now = datetime.now(UTC)
        for (namespace, name), (since, metrics) in self._models.items():
            if since:
                age.add_metric([namespace, name], (now - since).total_seconds())
            for watched in metrics:
                value.add_metric([namespace, name, watched.metric], watched.value)
                limit.add_metric([namespace, name, watched.metric], watched.limit)
        yield from (age, value, limit)

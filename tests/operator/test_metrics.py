"""The operator's metrics of analyses and of drift reports."""

from __future__ import annotations

from datetime import timedelta

from perennial_operator.cluster.cache_entry import Key
from perennial_operator.core.api.values import as_text
from perennial_operator.core.status.measures import ModelGauges, model_gauges
from perennial_operator.telemetry.metrics import Metrics
from tests.core.test_analysis import analysed, traffic
from tests.simulation.play import a_play


def test_each_change_of_an_analysis_is_counted_by_reason() -> None:
    metrics, play = Metrics(), analysed()

    def passes(count: int, errors: int = 0) -> None:
        before = play.world()
        traffic(play, count, errors)
        metrics.record_pass(Key("default", "bike"), before, play.world())

    passes(10)
    passes(200)
    passes(200, errors=50)
    counts = {
        reason: metrics.registry.get_sample_value("perennial_analyses_total", {"reason": reason})
        for reason in ("Measuring", "AnalysisPassed", "TooManyErrors", "NoData")
    }
    assert counts == {"Measuring": 1, "AnalysisPassed": 1, "TooManyErrors": 1, "NoData": None}
    ended = {"phase": "RolledBack", "reason": "TooManyErrors", "trigger": "Drift"}
    assert metrics.registry.get_sample_value("perennial_candidates_total", ended) == 1


def test_dead_feed_pods_and_a_waiting_approval_are_exported() -> None:
    check = {"schedule": "0 * * * *", "data": {"uri": "s3://bikes/live/*.parquet"}}
    metrics, play = Metrics(), a_play(drift={"check": check})
    play.until_live(1)
    play.edit({"rollout": {"approval": "manual"}})
    key, model = Key("default", "bike"), {"namespace": "default", "model": "bike"}

    def gauges() -> ModelGauges:
        metrics.record_pass(key, play.world(), play.world())
        return model_gauges(play.world())

    live = gauges()
    assert (live.ready_replicas, live.wanted_replicas, live.newest_row) == (2, 2, None)
    assert (live.last_good_check, live.check_interval) == (play.world().now, timedelta(hours=1))
    assert metrics.registry.get_sample_value("perennial_ready_replicas", model) == 2
    assert metrics.registry.get_sample_value("perennial_check_interval_seconds", model) == 3600
    ended = play.now - timedelta(days=1)
    play.report("old", window={"start": as_text(ended - timedelta(days=1)), "end": as_text(ended)})
    play.wait(minutes=30)
    assert play.outcome("old")[0] == "Stale"
    assert (gauges().newest_row, gauges().last_good_check) == (ended, live.last_good_check)
    play.report("new", psi=0.1, window={"start": as_text(ended), "end": as_text(play.now)})
    play.settle()
    assert gauges().newest_row == gauges().last_good_check == play.now
    assert gauges().awaits_approval_since is None
    play.report("drift")
    play.wait(hours=1)
    play.until_rolling(2, candidate=80.0, live=120.0)
    assert gauges().awaits_approval_since == play.now
    assert metrics.registry.get_sample_value("perennial_awaiting_approval_seconds", model) is not None


def test_bad_data_and_what_was_not_measured_are_exported() -> None:
    thresholds = [{"metric": "mse", "max": 120}, {"metric": "psi", "max": 0.2}]
    metrics, play = Metrics(), a_play(drift={"thresholds": thresholds})
    play.until_live(1)
    model = {"namespace": "default", "model": "bike"}

    def exported(name: str, **labels: str) -> float | None:
        before = play.world()
        play.settle()
        metrics.record_pass(Key("default", "bike"), before, play.world())
        return metrics.registry.get_sample_value(name, model | labels)

    assert exported("perennial_bad_data_reports") == 0
    assert exported("perennial_drift_not_measured", metric="mse") is None  # no report yet
    play.report("late-labels", psi=0.1)
    assert exported("perennial_drift_not_measured", metric="mse") == 1
    assert exported("perennial_drift_not_measured", metric="psi") == 0
    play.wait(minutes=1)
    play.report("broken", metrics=[{"name": "missing_increase", "feature": "feature1", "value": 0.6}])
    assert exported("perennial_bad_data_reports") == 1


def test_what_a_dry_run_would_start_is_counted_once_by_model() -> None:
    play = a_play(drift={"mode": "Report"})
    play.until_live(1)
    metrics, key, model = Metrics(), Key("default", "bike"), {"namespace": "default", "model": "bike"}

    def counted(name: str | None = None) -> tuple[float | None, float | None]:
        """By outcome and by model, after a pass that sees the report."""
        play.wait(hours=1)
        if name:
            play.report(name)
        before = play.world()
        play.settle()
        metrics.record_pass(key, before, play.world())
        by_outcome = metrics.registry.get_sample_value("perennial_drift_reports_total", {"outcome": "WouldTrigger"})
        return by_outcome, metrics.registry.get_sample_value("perennial_would_trigger_total", model)

    assert [counted("a"), counted(), counted("b")] == [(1, 1), (1, 1), (2, 2)]
    metrics.forget(key)
    metrics.forget(key)
    assert metrics.registry.get_sample_value("perennial_would_trigger_total", model) is None
    metrics = Metrics()  # the operator has restarted
    assert [counted(), counted("c")] == [(None, None), (1, 1)]

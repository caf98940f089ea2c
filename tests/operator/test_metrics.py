"""The operator's metrics of analyses."""

from __future__ import annotations

from perennial_operator.cluster.cache_entry import Key
from perennial_operator.telemetry.metrics import Metrics
from tests.core.test_analysis import analysed, traffic


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
